// SPDX-License-Identifier: Apache-2.0

/// Text that came from outside, as a terminal may show it: one line, no escape sequences, a known width.
struct DisplayText: Equatable {
    let text: String
    /// Columns that a terminal gives it.
    let width: Int

    init(_ raw: String) {
        var text = String.UnicodeScalarView()
        for scalar in raw.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator:
                // Newlines and tabs would break the table, ESC would command the terminal.
                text.append(scalar == "\n" || scalar == "\t" ? " " : "\u{FFFD}")
            case .format where Self.turnsText(scalar): text.append("\u{FFFD}")
            default: text.append(scalar)
            }
        }
        self.init(clean: String(text))
    }

    private init(clean: String) {
        text = clean
        width = clean.reduce(0) { $0 + Self.columns(of: $1) }
    }

    /// At most `limit` columns, the cut marked by `…`: at the end, or in the middle (URLs tell by both ends).
    func shortened(to limit: Int, inMiddle: Bool) -> DisplayText {
        guard width > limit else { return self }
        guard limit > 1 else { return DisplayText(clean: limit == 1 ? "…" : "") }
        let kept = limit - 1
        let tail = inMiddle ? kept / 2 : 0
        let start = Self.prefix(text, columns: kept - tail)
        let end = String(Self.prefix(String(text.reversed()), columns: tail).reversed())
        return DisplayText(clean: start + "…" + end)
    }

    private static func prefix(_ text: String, columns limit: Int) -> String {
        var used = 0
        return String(
            text.prefix { character in
                used += columns(of: character)
                return used <= limit
            }
        )
    }

    /// Bidirectional controls: shown as they are, they would reorder the rest of the line.
    private static func turnsText(_ scalar: Unicode.Scalar) -> Bool {
        (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
            || scalar.value == 0x200E || scalar.value == 0x200F
    }

    /// As wcwidth(3) has it, for whole grapheme clusters: combining marks take none, East Asian wide and emoji two.
    private static func columns(of character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        switch first.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        if first.properties.isEmojiPresentation { return 2 }
        if character.unicodeScalars.contains("\u{FE0F}") { return 2 }
        return wide.contains { $0.contains(first.value) } ? 2 : 1
    }

    /// East_Asian_Width W and F, in blocks (Unicode's EastAsianWidth.txt).
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
        0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6,
        0x17000...0x18CFF, 0x1B000...0x1B2FF, 0x20000...0x3FFFD,
    ]
}
