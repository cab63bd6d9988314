// SPDX-License-Identifier: Apache-2.0

/// The text of a piece of HTML as other servers write it into notes: tags dropped, character references resolved.
enum PlainText {
    private static let named: [Substring: String] = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": " ", "hellip": "\u{2026}",
        "ndash": "\u{2013}", "mdash": "\u{2014}",
    ]
    /// Tags after which a new line begins.
    private static let lineEnds: Set<Substring> = ["br", "/p", "/div", "/li", "/blockquote"]

    static func from(html: String) -> String {
        var text = ""
        var rest = Substring(html)
        while let index = rest.firstIndex(where: { $0 == "<" || $0 == "&" }) {
            text += rest[..<index]
            let isTag = rest[index] == "<"
            rest = rest[rest.index(after: index)...]
            if isTag {
                // A tag without an end, at the text's cut, is dropped whole.
                let end = rest.firstIndex(of: ">") ?? rest.endIndex
                let name = rest[..<end].prefix { !$0.isWhitespace && $0 != ">" }.lowercased()
                if lineEnds.contains(name.hasSuffix("/") && name != "/" ? name.dropLast() : Substring(name)) {
                    text += "\n"
                }
                rest = end < rest.endIndex ? rest[rest.index(after: end)...] : rest[end...]
            } else {
                let name = rest.prefix(12).prefix { $0 != ";" }
                if name.endIndex < rest.endIndex, rest[name.endIndex] == ";", let character = character(name) {
                    text += character
                    rest = rest[rest.index(after: name.endIndex)...]
                } else {
                    text += "&"
                }
            }
        }
        text += rest
        return trimmed(text)
    }

    private static func character(_ name: Substring) -> String? {
        guard name.first == "#" else { return named[name] }
        let digits = name.dropFirst()
        let isHex = digits.first == "x" || digits.first == "X"
        guard let value = isHex ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits),
            let scalar = Unicode.Scalar(value), value > 0
        else { return nil }
        return String(Character(scalar))
    }

    private static func trimmed(_ text: String) -> String {
        let start = text.drop { $0.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
