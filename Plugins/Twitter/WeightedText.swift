// SPDX-License-Identifier: Apache-2.0

// `_nfc` is the standard library's own normalization, which Foundation builds on too: the public way would put all of
// Foundation into the plugin's file.
@_spi(_Unicode) import Swift

/// A text cut into what Twitter counts as one: URLs, and characters, each with its weight.
///
/// The rules of twitter-text's configuration v3: a URL is 23, an emoji 2, a character of the scripts that need many of
/// them 1 (by scalars, composed), any other 2.
struct WeightedText {
    struct Piece {
        let text: Substring
        let weight: Int
    }

    static let urlWeight = 23
    private static let emojiWeight = 2

    let pieces: [Piece]

    /// What Twitter's limit is about.
    var weight: Int { pieces.reduce(0) { $0 + $1.weight } }

    init(_ text: String) {
        let characters = Array(text)
        let links = LinkScanner(characters)
        var pieces: [Piece] = []
        pieces.reserveCapacity(characters.count)
        var (position, index) = (text.startIndex, 0)
        while index < characters.count {
            let link = links.end(from: index)
            let end = link ?? index + 1
            let next = text.index(position, offsetBy: end - index)
            pieces.append(
                Piece(
                    text: text[position..<next],
                    weight: link == nil ? Self.weight(characters[index]) : Self.urlWeight
                )
            )
            (position, index) = (next, end)
        }
        self.pieces = pieces
    }

    /// The longest beginning that weighs at most `limit`, without white space at its end; never a part of a URL.
    func prefix(weighing limit: Int) -> Substring {
        var (sum, count) = (0, 0)
        while count < pieces.count, sum + pieces[count].weight <= limit {
            sum += pieces[count].weight
            count += 1
        }
        while count > 0, pieces[count - 1].text.allSatisfy(\.isWhitespace) { count -= 1 }
        guard count > 0 else { return "" }
        let first = pieces[0].text
        return first.base[first.startIndex..<pieces[count - 1].text.endIndex]
    }

    private static func weight(_ character: Character) -> Int {
        if character.utf8.count == 1 { return 1 }
        let scalars = Array(String(character)._nfc)
        var (sum, index) = (0, 0)
        while index < scalars.count {
            if let end = EmojiSequence.end(in: scalars, from: index) {
                sum += emojiWeight
                index = end
            } else {
                sum += weight(scalars[index])
                index += 1
            }
        }
        return sum
    }

    private static func weight(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0...0x10FF, 0x2000...0x200D, 0x2010...0x201F, 0x2032...0x2037: 1
        default: 2
        }
    }
}
