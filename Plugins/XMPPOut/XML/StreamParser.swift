// SPDX-License-Identifier: Apache-2.0

import CLibXML2

/// Why a stream can't be read any further.
struct XMLProblem: Error, Hashable, CustomStringConvertible {
    let description: String
}

/// Reads an XMPP stream, which may be cut into chunks at any byte, with libxml2's push parser.
///
/// Nothing that XMPP forbids gets through: no DTD (so no entity but XML's five, and nothing external), no comment, no
/// processing instruction, no unbound prefix. Once it has thrown it stays broken.
final class StreamParser {
    struct Limits: Hashable {
        /// Bytes from the end of one stanza to the end of the next; ejabberd's default is the same.
        var stanza = 262_144
        /// Elements inside one another, the stream's root included.
        var depth = 64
    }

    enum Event: Hashable {
        /// The root's start tag; its children come one by one.
        case opened(Element)
        /// A stanza, whole.
        case element(Element)
        /// The root's end tag.
        case closed
    }

    /// A limit is looked at after each so many bytes.
    private static let slice = 16_384

    private let limits: Limits
    private let builder: TreeBuilder
    // Freed by deinit and used by nobody else.
    private let context: xmlParserCtxtPtr?
    private var waiting = 0
    private var problem: XMLProblem?

    init(limits: Limits = Limits()) {
        self.limits = limits
        builder = TreeBuilder(depth: limits.depth)
        var handler = TreeBuilder.handler
        context = xmlCreatePushParserCtxt(&handler, nil, nil, 0, nil)
        guard let context else {
            problem = XMLProblem(description: "libxml2 gave no parser: is there memory left?")
            return
        }
        // NOENT: without a DTD there are XML's own five entities only, and those are wanted as characters.
        xmlCtxtUseOptions(context, Int32(XML_PARSE_NOENT.rawValue | XML_PARSE_NONET.rawValue))
        // The builder lives as long as this object, and so as long as the context.
        context.pointee.userData = Unmanaged.passUnretained(builder).toOpaque()
        builder.context = context
    }

    deinit { if let context { xmlFreeParserCtxt(context) } }

    /// What the next bytes complete.
    func feed(_ bytes: [UInt8]) throws(XMLProblem) -> [Event] {
        if let problem { throw problem }
        // Keep-alives between stanzas (RFC 6120 section 4.6.1) are nothing for the parser to keep.
        if waiting == 0, builder.isBetweenStanzas, bytes.allSatisfy({ $0 == 0x20 || $0 == 0x0A || $0 == 0x0D }) {
            return []
        }
        var start = 0
        while start < bytes.count {
            let end = min(start + Self.slice, bytes.count)
            let before = builder.events.count
            let status = bytes[start..<end].withUnsafeBytes { slice in
                xmlParseChunk(context, slice.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(slice.count), 0)
            }
            try check(status)
            waiting = builder.events.count > before ? 0 : waiting + (end - start)
            if waiting > limits.stanza {
                try fail("a stanza of more than \(limits.stanza) bytes")
            }
            start = end
        }
        return builder.takeEvents()
    }

    private func check(_ status: Int32) throws(XMLProblem) {
        if let text = builder.problem { try fail(text) }
        guard status == 0 else {
            let error = xmlCtxtGetLastError(context)?.pointee
            let text = error?.message.map { String(cString: $0) } ?? "error \(status)"
            let line = text.split(separator: "\n").first.map { String($0) } ?? text
            return try fail("not well-formed XML: \(line)")
        }
    }

    private func fail(_ text: String) throws(XMLProblem) {
        let problem = XMLProblem(description: text)
        self.problem = problem
        throw problem
    }
}

extension StreamParser {
    /// Reads one whole stanza that comes from a producer.
    static func stanza(_ bytes: [UInt8]) throws(XMLProblem) -> Element {
        let parser = StreamParser()
        // A root of our own, so that whatever is in it can't be a second root or an end of the stream.
        var events = try parser.feed(Array("<stream xmlns='jabber:client'>".utf8))
        events += try parser.feed(bytes)
        events += try parser.feed(Array("</stream>".utf8))
        guard events.count == 3, case .element(let element) = events[1], events[2] == .closed else {
            throw XMLProblem(description: "expected one whole stanza")
        }
        return element
    }
}
