// SPDX-License-Identifier: Apache-2.0

import CLibXML2

/// HTML as producers have it, made into XHTML-IM (XEP-0071): well-formed, and only what a message may show.
///
/// A `<br>` or an `&nbsp;` put into the stream as it stands would end it.
enum HTMLFragment {
    static let namespace = "http://www.w3.org/1999/xhtml"

    /// The elements that are kept, and the attributes that each may have; of others only what they contain is.
    private static let allowed: [String: Set<String>] = [
        "a": ["href", "title", "class", "rel"], "abbr": ["title", "class"], "blockquote": ["cite", "class"],
        "br": [], "cite": ["class"], "code": ["class"], "div": ["class"], "em": ["class"],
        "h1": [], "h2": [], "h3": [], "h4": [], "h5": [], "h6": [],
        "img": ["alt", "src", "height", "width", "class"], "li": [], "ol": [], "p": ["class"], "pre": ["class"],
        "q": ["class"], "span": ["class"], "strong": ["class"], "ul": ["class"],
    ]
    private static let renamed = ["b": "strong", "i": "em"]
    /// Whose content is no text for people.
    private static let dropped: Set<String> = ["script", "style", "head", "title", "iframe", "object"]
    private static let urls: Set<String> = ["href", "src", "cite"]
    private static let schemes = ["http:", "https:", "mailto:", "xmpp:"]
    private static let maxDepth = 32

    /// The nodes of a fragment.
    static func nodes(_ html: String) -> [Element.Node] {
        let builder = Builder()
        var handler = xmlSAXHandler()
        handler.startElement = { user, name, attributes in Builder.of(user)?.start(name, attributes) }
        handler.endElement = { user, name in Builder.of(user)?.end(name) }
        handler.characters = { user, text, count in Builder.of(user)?.characters(text, Int(count)) }
        handler.ignorableWhitespace = handler.characters
        // Without an element around it, the parser takes the first end tag for the end of the document.
        let bytes = Array("<fragment>".utf8) + XMLText.cleaned([UInt8](html.utf8)) + Array("</fragment>".utf8)
        // The builder outlives the call: it is used below.
        let user = Unmanaged.passUnretained(builder).toOpaque()
        guard let context = htmlCreatePushParserCtxt(&handler, user, nil, 0, nil, XML_CHAR_ENCODING_UTF8) else {
            return [.text(html)]
        }
        defer { htmlFreeParserCtxt(context) }
        htmlCtxtUseOptions(context, Int32(HTML_PARSE_NOIMPLIED.rawValue | HTML_PARSE_NONET.rawValue))
        bytes.withUnsafeBytes { bytes in
            let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            _ = htmlParseChunk(context, start, Int32(clamping: bytes.count), 0)
            _ = htmlParseChunk(context, nil, 0, 1)
        }
        return withExtendedLifetime(builder) { $0.finish() }
    }

    private final class Builder {
        /// The first one collects what is outside of all elements.
        private var stack = [Element("body", HTMLFragment.namespace)]
        /// The names as they were written, with whether each has an element in `stack`.
        private var open: [(name: String, isKept: Bool)] = []
        private var dropDepth = 0

        static func of(_ user: UnsafeMutableRawPointer?) -> Builder? {
            user.map { Unmanaged<Builder>.fromOpaque($0).takeUnretainedValue() }
        }

        func start(
            _ name: UnsafePointer<xmlChar>?,
            _ attributes: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
        ) {
            guard let name else { return }
            let written = String(cString: name).lowercased()
            let known = renamed[written] ?? written
            if dropped.contains(written) { dropDepth += 1 }
            guard dropDepth == 0, let names = allowed[known], stack.count < maxDepth else {
                return open.append((written, false))
            }
            var element = Element(known, HTMLFragment.namespace)
            var index = 0
            while let attributes, let name = attributes[index] {
                let name = String(cString: name).lowercased()
                let value = attributes[index + 1].map { String(cString: $0) } ?? ""
                if names.contains(name), !urls.contains(name) || isSafe(value) { element[name] = value }
                index += 2
            }
            open.append((written, true))
            stack.append(element)
        }

        func end(_ name: UnsafePointer<xmlChar>?) {
            guard let name else { return }
            let written = String(cString: name).lowercased()
            guard open.contains(where: { $0.name == written }) else { return }
            // What was left open inside it ends with it.
            while let last = open.popLast() {
                if dropped.contains(last.name) { dropDepth -= 1 }
                if last.isKept { closeTop() }
                if last.name == written { return }
            }
        }

        func characters(_ text: UnsafePointer<xmlChar>?, _ count: Int) {
            guard dropDepth == 0, let text else { return }
            let piece = String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
            stack[stack.count - 1].children.append(.text(piece))
        }

        func finish() -> [Element.Node] {
            while stack.count > 1 { closeTop() }
            return stack[0].children
        }

        private func closeTop() {
            guard stack.count > 1, let element = stack.popLast() else { return }
            stack[stack.count - 1].children.append(.element(element))
        }

        private func isSafe(_ url: String) -> Bool {
            let lower = url.lowercased()
            return schemes.contains { lower.hasPrefix($0) }
        }
    }
}
