// SPDX-License-Identifier: Apache-2.0

/// A URL's parts as a signature sees them (RFC 5849 section 3.4.1.2).
package struct BaseURI: Hashable, Sendable {
    /// Scheme and host in lower case, no default port, no user, an absolute path; no query, no fragment.
    package let text: [UInt8]
    /// The URL as it was, without query and fragment: what to send the request to where the query moves into the body.
    package let withoutQuery: String
    /// The query's parameters, which join the signed ones.
    package let query: [Parameter]

    /// nil where `url` isn't an absolute http or https URL.
    package init?(_ url: String) {
        var url = url
        guard let (text, end, query) = url.withUTF8({ Self.parse($0) }) else { return nil }
        self.text = text
        self.query = query
        withoutQuery = end == url.utf8.count ? url : String(decoding: url.utf8.prefix(end), as: UTF8.self)
    }

    /// The text, where the URL's path ends, and the query.
    private static func parse(_ url: UnsafeBufferPointer<UInt8>) -> ([UInt8], Int, [Parameter])? {
        let colon = url.firstIndex(of: UInt8(ascii: ":")) ?? url.endIndex
        var text: [UInt8] = []
        text.reserveCapacity(url.count + 16)
        for byte in url[..<colon] { text.append(lowerCase(byte)) }
        let defaultPort: StaticString
        if text.elementsEqual("http".utf8) {
            defaultPort = "80"
        } else if text.elementsEqual("https".utf8) {
            defaultPort = "443"
        } else {
            return nil
        }
        guard url[colon...].starts(with: "://".utf8) else { return nil }
        let authorityStart = colon + 3
        let authorityEnd =
            url[authorityStart...].firstIndex { byte in
                byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
            } ?? url.endIndex
        guard let host = host(url[authorityStart..<authorityEnd], defaultPort) else { return nil }
        text.append(staticText: "://")
        for byte in host { text.append(lowerCase(byte)) }

        let fragment = url[authorityEnd...].firstIndex(of: UInt8(ascii: "#")) ?? url.endIndex
        let question = url[authorityEnd..<fragment].firstIndex(of: UInt8(ascii: "?")) ?? fragment
        if question == authorityEnd { text.append(UInt8(ascii: "/")) }
        for byte in url[authorityEnd..<question] {
            if isPathByte(byte) { text.append(byte) } else { PercentEncoding.appendEscape(of: byte, to: &text) }
        }
        let query = question < fragment ? Parameter.parse(form: url[(question + 1)..<fragment]) : []
        return (text, question, query)
    }

    /// Host and port: no user, and without the scheme's own port (that of the other scheme stays).
    private static func host(
        _ authority: Slice<UnsafeBufferPointer<UInt8>>,
        _ defaultPort: StaticString
    ) -> Slice<UnsafeBufferPointer<UInt8>>? {
        var host = authority
        if let at = host.lastIndex(of: UInt8(ascii: "@")) { host = host[(at + 1)...] }
        guard !host.isEmpty, host.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return nil }
        // The colons of an IPv6 address stand before its bracket.
        let bracket = host.lastIndex(of: UInt8(ascii: "]")) ?? host.startIndex
        if let colon = host[bracket...].lastIndex(of: UInt8(ascii: ":")) {
            let port = host[(colon + 1)...]
            guard port.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
            let standard = UnsafeBufferPointer(start: defaultPort.utf8Start, count: defaultPort.utf8CodeUnitCount)
            if port.isEmpty || port.elementsEqual(standard) { host = host[..<colon] }
        }
        return host.isEmpty ? nil : host
    }

    /// RFC 3986's `pchar`, `/`, and `%` of an escape that is there already.
    private static func isPathByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"),
            UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "/"), UInt8(ascii: "%"):
            true
        default: PercentEncoding.isUnreserved(byte)
        }
    }

    private static func lowerCase(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}

/// What is signed: method, URI and all parameters in one line (RFC 5849 section 3.4.1.1).
package enum BaseString {
    /// `parameters`: All but `oauth_signature` and those of the URI's query, in any order.
    package static func make(method: String, uri: BaseURI, parameters: [Parameter]) -> [UInt8] {
        var text: [UInt8] = []
        PercentEncoding.append(method.utf8, to: &text)
        text.append(UInt8(ascii: "&"))
        PercentEncoding.append(uri.text, to: &text)
        text.append(UInt8(ascii: "&"))
        PercentEncoding.append(Parameter.join((uri.query + parameters).sorted()), to: &text)
        return text
    }
}
