// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// A notice as the text of a status.
enum StatusText {
    private static let ellipsis = " \u{2026} "
    /// Characters of a notice that are looked at: a notice may be a megabyte long, and a status is short.
    private static let longestLook = 20_000

    static func make(of notice: Notice, limit: Int) -> String {
        make(
            content: notice.content,
            link: [notice.url, notice.uri].lazy.compactMap(\.self).first(where: isLink),
            limit: limit
        )
    }

    /// The content with its groups as tags; where it is too long, as much of it as leaves room for an ellipsis and the
    /// notice's own URL.
    static func make(content: String, link: String?, limit: Int) -> String {
        let head = content.prefix(max(longestLook, limit * 2))
        let start = withGroupsAsTags(head)
        let text = WeightedText(start)
        guard text.weight > limit || head.endIndex < content.endIndex else { return start }
        let withLink = ellipsis + (link ?? "")
        let linkWeight = WeightedText(withLink).weight
        // A link that leaves no room for words is left out.
        let end = link == nil || linkWeight > limit / 2 ? " \u{2026}" : withLink
        return text.prefix(weighing: limit - WeightedText(end).weight) + end
    }

    /// True for a text that Twitter takes as an answer to the account that it begins with: `^@[A-Za-z0-9_]{1,15}\b`.
    static func isReply(_ content: String) -> Bool {
        guard content.first == "@" else { return false }
        let name = content.dropFirst().prefix { isWordCharacter($0) }
        return (1...15).contains(name.count)
    }

    /// `!group` is `#group` there, at the beginning and after white space.
    static func withGroupsAsTags(_ content: some StringProtocol) -> String {
        var text = ""
        text.reserveCapacity(content.utf8.count)
        var isStart = true
        var index = content.startIndex
        while index < content.endIndex {
            let character = content[index]
            let next = content.index(after: index)
            let isGroup =
                isStart && character == "!" && next < content.endIndex && isWordCharacter(content[next])
                && content[next] != "_"
            text.append(isGroup ? "#" : character)
            isStart = character.isWhitespace
            index = next
        }
        return text
    }

    private static func isWordCharacter(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || character == "_")
    }

    private static func isLink(_ url: String) -> Bool { url.hasPrefix("http://") || url.hasPrefix("https://") }
}
