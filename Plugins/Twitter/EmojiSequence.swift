// SPDX-License-Identifier: Apache-2.0

/// Finds emoji as twitter-text counts them: a whole sequence, with its skin tones, joiners and variation selectors, is one.
enum EmojiSequence {
    private static let joiner: Unicode.Scalar = "\u{200D}"
    private static let emojiStyle: Unicode.Scalar = "\u{FE0F}"
    private static let textStyle: Unicode.Scalar = "\u{FE0E}"
    private static let keycap: Unicode.Scalar = "\u{20E3}"
    private static let tags: ClosedRange<Unicode.Scalar> = "\u{E0020}"..."\u{E007F}"
    private static let regionalIndicators: ClosedRange<Unicode.Scalar> = "\u{1F1E6}"..."\u{1F1FF}"
    /// These are signs first: an emoji only where a variation selector says so.
    private static let signs: Set<Unicode.Scalar> = ["\u{A9}", "\u{AE}", "\u{2122}", "\u{265F}"]

    /// Where the emoji that starts at `start` ends; nil where none does.
    static func end(in scalars: [Unicode.Scalar], from start: Int) -> Int? {
        let first = scalars[start]
        func scalar(_ index: Int) -> Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

        if first.isASCII {
            guard first == "#" || first == "*" || ("0"..."9").contains(first) else { return nil }
            let next = scalar(start + 1) == emojiStyle ? start + 2 : start + 1
            return scalar(next) == keycap ? next + 1 : nil
        }
        if regionalIndicators.contains(first) {
            return scalar(start + 1).map { regionalIndicators.contains($0) } == true ? start + 2 : start + 1
        }
        if signs.contains(first), scalar(start + 1) != emojiStyle { return nil }
        guard var end = element(in: scalars, from: start) else { return nil }
        while scalar(end) == joiner, let next = element(in: scalars, from: end + 1) { end = next }
        return end
    }

    /// One emoji of a joined sequence, with what modifies it.
    private static func element(in scalars: [Unicode.Scalar], from start: Int) -> Int? {
        guard start < scalars.count, !scalars[start].isASCII, scalars[start].properties.isEmoji else { return nil }
        var end = start + 1
        if end < scalars.count, scalars[end] == textStyle { return nil }
        if end < scalars.count, scalars[end] == emojiStyle { end += 1 }
        if end < scalars.count, scalars[end].properties.isEmojiModifier { end += 1 }
        while end < scalars.count, tags.contains(scalars[end]) { end += 1 }
        return end
    }
}
