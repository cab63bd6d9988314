// SPDX-License-Identifier: Apache-2.0

/// An XML element: a stanza, or a part of one.
///
/// The stream's own namespace (`jabber:client`, `jabber:component:accept`) is empty here, so that a stanza is the same in
/// both.
struct Element: Hashable, Sendable {
    struct Attribute: Hashable, Sendable {
        var name: String
        /// Empty for nearly all; `xml` attributes have the name `xml:lang` instead.
        var namespace = ""
        var value: String
    }

    enum Node: Hashable, Sendable {
        case element(Element)
        case text(String)
    }

    var name: String
    var namespace: String
    var attributes: [Attribute]
    var children: [Node]

    /// `attributes`: Those without a value are left out.
    init(
        _ name: String,
        _ namespace: String = "",
        _ attributes: KeyValuePairs<String, String?> = [:],
        _ children: [Node] = []
    ) {
        self.name = name
        self.namespace = namespace
        self.attributes = attributes.compactMap { name, value in value.map { Attribute(name: name, value: $0) } }
        self.children = children
    }

    subscript(attribute: String) -> String? {
        get { attributes.first { $0.name == attribute && $0.namespace.isEmpty }?.value }
        set {
            let index = attributes.firstIndex { $0.name == attribute && $0.namespace.isEmpty }
            switch (index, newValue) {
            case (let index?, let value?): attributes[index].value = value
            case (let index?, nil): attributes.remove(at: index)
            case (nil, let value?): attributes.append(Attribute(name: attribute, value: value))
            case (nil, nil): break
            }
        }
    }

    var elements: [Element] { children.compactMap { if case .element(let element) = $0 { element } else { nil } } }

    /// The text directly in it.
    var text: String { children.reduce(into: "") { if case .text(let text) = $1 { $0 += text } } }

    func child(_ name: String, _ namespace: String = "") -> Element? {
        elements.first { $0.name == name && $0.namespace == namespace }
    }

    /// As bytes for the stream.
    var bytes: [UInt8] {
        var out: [UInt8] = []
        write(to: &out)
        return out
    }

    /// `inherited`: The default namespace where it will stand.
    func write(to out: inout [UInt8], inherited: String = "") {
        out.append(UInt8(ascii: "<"))
        out.append(contentsOf: name.utf8)
        if namespace != inherited {
            // Out of another namespace back into the stream's own: as in a forwarded message.
            Self.write("xmlns", namespace.isEmpty ? "jabber:client" : namespace, to: &out)
        }
        for (index, attribute) in attributes.enumerated() {
            if attribute.namespace.isEmpty {
                Self.write(attribute.name, attribute.value, to: &out)
            } else {
                Self.write("xmlns:a\(index)", attribute.namespace, to: &out)
                Self.write("a\(index):\(attribute.name)", attribute.value, to: &out)
            }
        }
        guard !children.isEmpty else { return out.append(contentsOf: "/>".utf8) }
        out.append(UInt8(ascii: ">"))
        for child in children {
            switch child {
            case .element(let element): element.write(to: &out, inherited: namespace)
            case .text(let text): XMLText.append(text, to: &out)
            }
        }
        out.append(contentsOf: "</".utf8)
        out.append(contentsOf: name.utf8)
        out.append(UInt8(ascii: ">"))
    }

    private static func write(_ name: String, _ value: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: " "))
        out.append(contentsOf: name.utf8)
        out.append(contentsOf: "=\"".utf8)
        XMLText.append(value, to: &out)
        out.append(UInt8(ascii: "\""))
    }
}
