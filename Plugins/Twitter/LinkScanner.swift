// SPDX-License-Identifier: Apache-2.0

/// Finds the URLs that Twitter replaces by its short ones, by the rules of twitter-text: with http or https, or a bare
/// domain of a known top-level domain, with port, path and query.
struct LinkScanner {
    private let characters: [Character]
    /// The ASCII byte of each character in lower case; 0 where it is none.
    private let ascii: [UInt8]

    init(_ characters: [Character]) {
        self.characters = characters
        ascii = characters.map { character in
            guard character.utf8.count == 1, let byte = character.utf8.first else { return 0 }
            return (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
        }
    }

    /// Where the URL that starts at `start` ends; nil where none does.
    func end(from start: Int) -> Int? {
        guard isAlphanumeric(start), start == 0 || !isGlued(start - 1) else { return nil }
        for scheme in ["http://", "https://"] where ascii[start...].starts(with: scheme.utf8) {
            guard let domain = domain(from: start + scheme.utf8.count, isBare: false) else { return nil }
            return tail(from: domain.end)
        }
        guard start == 0 || !"-_./".utf8.contains(ascii[start - 1]) else { return nil }
        guard let domain = domain(from: start, isBare: true) else { return nil }
        let end = tail(from: domain.end)
        // `two.labels` of a country are more often a missing space than a link, unless a path follows.
        return domain.isShort && end == domain.end ? nil : end
    }

    /// What may not stand before a URL.
    private func isGlued(_ index: Int) -> Bool {
        isAlphanumeric(index) || ["@", "\u{FF20}", "$", "#", "\u{FF03}"].contains(characters[index])
    }

    private func isAlphanumeric(_ index: Int) -> Bool {
        guard index < ascii.count else { return false }
        return (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(ascii[index])
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(ascii[index])
    }

    private func byte(_ index: Int) -> UInt8 { index < ascii.count ? ascii[index] : 0 }

    /// The longest run of labels that ends in a top-level domain.
    ///
    /// `isShort`: it is one label and a country's code other than those that are in use as generic ones.
    private func domain(from start: Int, isBare: Bool) -> (end: Int, isShort: Bool)? {
        var found: (end: Int, isShort: Bool)?
        var (labelStart, labels) = (start, 0)
        while true {
            var end = labelStart
            while isLabelCharacter(end, isBare: isBare) { end += 1 }
            guard (1...63).contains(end - labelStart), byte(labelStart) != UInt8(ascii: "-"),
                byte(end - 1) != UInt8(ascii: "-")
            else { break }
            labels += 1
            let next = byte(end)
            if labels > 1, next != UInt8(ascii: "@"), next != UInt8(ascii: "+") {
                let label = String(decoding: ascii[labelStart..<end], as: UTF8.self)[...]
                if TopLevelDomains.contains(label) {
                    let isShort = labels == 2 && TopLevelDomains.isCountry(label) && label != "co" && label != "tv"
                    found = (end, isShort)
                }
            }
            guard next == UInt8(ascii: ".") else { break }
            labelStart = end + 1
        }
        return found
    }

    private func isLabelCharacter(_ index: Int, isBare: Bool) -> Bool {
        if isAlphanumeric(index) || byte(index) == UInt8(ascii: "-") || byte(index) == UInt8(ascii: "_") { return true }
        return !isBare && index < characters.count && ascii[index] == 0 && characters[index].isLetter
    }

    /// Behind the domain: port, path, query.
    private func tail(from start: Int) -> Int {
        var end = start
        if byte(end) == UInt8(ascii: ":") {
            var digits = end + 1
            while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte(digits)) { digits += 1 }
            if digits > end + 1 { end = digits }
        }
        if byte(end) == UInt8(ascii: "/") { end = run(from: end, of: "!*';:=+,.$/%#[]-_~@|&()", endingWith: "=_#/+-)") }
        if byte(end) == UInt8(ascii: "?") {
            let query = run(from: end + 1, of: "!?*'@();:&=+$/%#[]-_.,~|", endingWith: "=_&#/-)")
            if query > end + 1 { end = query }
        }
        return end
    }

    /// The end of the longest run of letters, digits and `others` that ends with one of the first two or of `enders`.
    ///
    /// A closing bracket that nothing inside opened ends it: it belongs to the sentence.
    private func run(from start: Int, of others: String, endingWith enders: String) -> Int {
        var (index, end, depth) = (start, start, 0)
        while index < characters.count {
            let byte = ascii[index]
            let isLetter = isAlphanumeric(index) || (byte == 0 && isPathLetter(characters[index]))
            guard isLetter || (byte != 0 && others.utf8.contains(byte)) else { break }
            if byte == UInt8(ascii: "(") { depth += 1 }
            if byte == UInt8(ascii: ")") {
                guard depth > 0 else { break }
                depth -= 1
            }
            index += 1
            if isLetter || enders.utf8.contains(byte) { end = index }
        }
        return end
    }

    /// Letters with accents, and Cyrillic ones.
    private func isPathLetter(_ character: Character) -> Bool {
        guard let scalar = character.unicodeScalars.first else { return false }
        return character.isLetter
            && (("\u{C0}"..."\u{24F}").contains(scalar) || ("\u{400}"..."\u{4FF}").contains(scalar))
    }
}
