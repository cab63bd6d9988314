// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import PluginABI

extension PluginInstance {
    /// Changed settings of the HTTP client.
    ///
    /// On the loop.
    package func configure(http settings: HTTPSettings) {
        loop.preconditionInEventLoop()
        http.configure(settings)
    }

    /// [serial] hostd.http/1: send.
    func httpSend(
        _ request: UnsafePointer<hostd_http_request>?,
        _ function: hostd_http_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard let wanted = hostd_http_request.read(request, atLeast: hostd_http_request.end(of: \.url)), let function
        else {
            return hostd_op(HOSTD_E_INVAL)
        }
        if let refusal = refusal(for: wanted.site) { return hostd_op(refusal) }
        guard let request = HTTPRequestReader.read(wanted, userAgent: http.settings.userAgent) else {
            return hostd_op(HOSTD_E_INVAL)
        }
        let isGuarded = !http.settings.allowPrivate && wanted.flags & HOSTD_HTTP_TRUSTED == 0
        guard !isGuarded || AddressGuard.mayTry(host: request.host) else { return hostd_op(HOSTD_E_DENIED) }
        let timeoutMs = wanted.timeout_ms == 0 ? Int64(http.settings.timeoutMs) : Int64(wanted.timeout_ms)
        var redirects: HTTPRedirects?
        if wanted.flags & HOSTD_HTTP_FOLLOW != 0 {
            redirects = HTTPRedirects(
                allowPrivate: http.settings.allowPrivate,
                trustedHost: isGuarded ? nil : request.host
            )
        }
        let exchange = HTTPExchange(
            instance: self,
            site: wanted.site,
            request: request,
            redirects: redirects,
            maxBody: wanted.max_body == 0 ? 1 << 20 : Int(wanted.max_body),
            deadline: .now() + .milliseconds(timeoutMs),
            function: function,
            user: user
        )
        let op = operations.insert(exchange)
        guard op > 0 else { return op }
        exchange.op = op
        exchange.start(isGuarded: isGuarded)
        return op
    }
}

/// Makes a client's request of a plugin's; nil where it isn't a proper one.
enum HTTPRequestReader {
    static func read(_ wanted: hostd_http_request, userAgent: String) -> HTTPClient.Request? {
        let method = wanted.method.isEmpty ? "GET" : wanted.method.text
        guard method.utf8.count <= 32, method.utf8.allSatisfy(isTokenByte), method != "CONNECT",
            wanted.url.bytes.count <= 8192,
            wanted.url.bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        guard let headers = headers(wanted, userAgent: userAgent) else { return nil }
        var body: HTTPClient.Body?
        if !wanted.body.isEmpty {
            body = .byteBuffer(ByteBuffer(bytes: wanted.body.bytes))
        }
        return try? HTTPClient.Request(
            url: wanted.url.text,
            method: HTTPMethod(rawValue: method),
            headers: headers,
            body: body
        )
    }

    private static func headers(_ wanted: hostd_http_request, userAgent: String) -> HTTPHeaders? {
        var headers = HTTPHeaders()
        headers.reserveCapacity(wanted.header_count + 3)
        var hasUserAgent = false
        for field in UnsafeBufferPointer(start: wanted.headers, count: wanted.headers == nil ? 0 : wanted.header_count)
        {
            let name = field.key.text
            // CR and LF would let a value add headers of its own; no other control character belongs there either.
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte),
                field.value.bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
            else { return nil }
            if name.utf8.count == 10, name.lowercased() == "user-agent" { hasUserAgent = true }
            headers.add(name: name, value: field.value.text)
        }
        if !hasUserAgent { headers.add(name: "user-agent", value: userAgent) }
        return headers
    }

    /// RFC 9110, 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
