// SPDX-License-Identifier: Apache-2.0

/// A dead letter's file in `queue.dead_letter_dir`: `SITE-QUEUE-ID`, with `.json` and maybe `.shared` beside it.
///
/// Site and queue may be anything that a producer sent: what isn't a letter, digit, `_`, `.` or `-` is written as `%XX`,
/// and names are cut, so that no name leaves the folder or is too long for it.
struct DeadFileName: Hashable, Sendable, CustomStringConvertible {
    /// Of NAME_MAX (255): two of them, an id of up to 19 digits, and what goes before and behind.
    private static let partLimit = 96

    let id: Int64
    let description: String

    init(id: Int64, site: String, queue: String) {
        self.id = id
        description = "\(Self.part(site))-\(Self.part(queue))-\(id)"
    }

    /// From the name of its `.json`; nil for any other file.
    init?(metadataFile name: String) {
        guard name.hasSuffix(".json"), !name.hasPrefix("."), let dash = name.lastIndex(of: "-") else { return nil }
        let stem = name.dropLast(".json".count)
        guard let id = Int64(stem[stem.index(after: dash)...]), id > 0 else { return nil }
        self.id = id
        description = String(stem)
    }

    var metadata: String { description + ".json" }
    var shared: String { description + ".shared" }

    private static func part(_ text: String) -> String {
        if text.isEmpty { return "_" }
        var part = ""
        for (index, byte) in text.utf8.enumerated() {
            let isPlain: Bool
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                isPlain = true
            // A name that begins with a dot is hidden.
            case UInt8(ascii: "."): isPlain = index > 0
            default: isPlain = false
            }
            let written = isPlain ? String(UnicodeScalar(byte)) : "%" + hex(byte)
            if part.utf8.count + written.utf8.count > partLimit { break }
            part += written
        }
        return part
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return digits.count == 1 ? "0" + digits : digits
    }
}
