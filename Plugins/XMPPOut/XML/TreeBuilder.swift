// SPDX-License-Identifier: Apache-2.0

import CLibXML2

/// Builds elements out of libxml2's callbacks, which get it as their user data.
final class TreeBuilder {
    private static let streamNamespaces: Set<String> = ["jabber:client", "jabber:component:accept", "jabber:server"]

    var context: xmlParserCtxtPtr?
    private(set) var events: [StreamParser.Event] = []
    private(set) var problem: String?
    private let depth: Int
    private var isOpen = false
    private var stack: [Element] = []

    init(depth: Int) { self.depth = depth }

    var isBetweenStanzas: Bool { isOpen && stack.isEmpty }

    func takeEvents() -> [StreamParser.Event] {
        defer { events = [] }
        return events
    }

    /// The callbacks; those that are absent do nothing, and errors are asked for instead of printed.
    static var handler: xmlSAXHandler {
        var handler = xmlSAXHandler()
        handler.initialized = UInt32(XML_SAX2_MAGIC)
        handler.startElementNs = { user, name, prefix, namespace, _, _, count, _, attributes in
            TreeBuilder.of(user)?.start(name, prefix, namespace, attributes, Int(count))
        }
        handler.endElementNs = { user, _, _, _ in TreeBuilder.of(user)?.end() }
        handler.characters = { user, text, count in TreeBuilder.of(user)?.characters(text, Int(count)) }
        handler.cdataBlock = handler.characters
        handler.ignorableWhitespace = handler.characters
        // Before any declaration in it is read.
        handler.internalSubset = { user, _, _, _ in TreeBuilder.of(user)?.fail("a DTD, which XMPP forbids") }
        handler.processingInstruction = { user, _, _ in
            TreeBuilder.of(user)?.fail("a processing instruction, which XMPP forbids")
        }
        handler.comment = { user, _ in TreeBuilder.of(user)?.fail("a comment, which XMPP forbids") }
        return handler
    }

    private static func of(_ user: UnsafeMutableRawPointer?) -> TreeBuilder? {
        user.map { Unmanaged<TreeBuilder>.fromOpaque($0).takeUnretainedValue() }
    }

    private func fail(_ text: String) {
        if problem == nil { problem = text }
        xmlStopParser(context)
    }

    private func start(
        _ name: UnsafePointer<xmlChar>?,
        _ prefix: UnsafePointer<xmlChar>?,
        _ namespace: UnsafePointer<xmlChar>?,
        _ attributes: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?,
        _ count: Int
    ) {
        guard problem == nil else { return }
        guard prefix == nil || namespace != nil else { return fail("a prefix without its namespace") }
        guard stack.count < depth - 1 else { return fail("elements more than \(depth) deep") }
        var element = Element(Self.text(name), Self.namespace(namespace))
        for index in 0..<count {
            // Five pointers each: name, prefix, namespace, and where the value begins and ends.
            guard let attributes, let begin = attributes[5 * index + 3], let end = attributes[5 * index + 4] else {
                continue
            }
            let value = String(decoding: UnsafeBufferPointer(start: begin, count: end - begin), as: UTF8.self)
            let name = Self.text(attributes[5 * index])
            switch attributes[5 * index + 1] {
            case nil: element.attributes.append(Element.Attribute(name: name, value: value))
            case let prefix? where Self.text(prefix) == "xml":
                element.attributes.append(Element.Attribute(name: "xml:\(name)", value: value))
            case _?:
                let namespace = Self.text(attributes[5 * index + 2])
                guard !namespace.isEmpty else { return fail("a prefix without its namespace") }
                element.attributes.append(Element.Attribute(name: name, namespace: namespace, value: value))
            }
        }
        if isOpen {
            stack.append(element)
        } else {
            isOpen = true
            events.append(.opened(element))
        }
    }

    private func end() {
        guard problem == nil else { return }
        guard let element = stack.popLast() else {
            isOpen = false
            return events.append(.closed)
        }
        if stack.isEmpty {
            events.append(.element(element))
        } else {
            stack[stack.count - 1].children.append(.element(element))
        }
    }

    private func characters(_ text: UnsafePointer<xmlChar>?, _ count: Int) {
        // Between stanzas there are keep-alives only.
        guard problem == nil, !stack.isEmpty, let text else { return }
        let piece = String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
        let top = stack.count - 1
        // The text before an entity, the entity and what follows come one by one.
        if case .text(let former)? = stack[top].children.last {
            stack[top].children[stack[top].children.count - 1] = .text(former + piece)
        } else {
            stack[top].children.append(.text(piece))
        }
    }

    private static func text(_ pointer: UnsafePointer<xmlChar>?) -> String {
        pointer.map { String(cString: $0) } ?? ""
    }

    private static func namespace(_ pointer: UnsafePointer<xmlChar>?) -> String {
        let text = text(pointer)
        return streamNamespaces.contains(text) ? "" : text
    }
}
