// SPDX-License-Identifier: Apache-2.0

/// RFC 4648 section 4, as SASL has it: padded, without white space.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    static func encode(_ bytes: some Collection<UInt8>) -> String {
        let bytes = Array(bytes)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            let group = (0..<3).reduce(0) { $0 << 8 | ($1 < count ? Int(bytes[start + $1]) : 0) }
            for digit in 0..<4 {
                text.append(digit <= count ? alphabet[group >> (18 - 6 * digit) & 63] : padding)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil where the text isn't Base64.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 4) else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: digits.count, by: 4) {
            let quad = digits[start..<start + 4]
            let count = quad.prefix { $0 != padding }.count
            let isLast = start + 4 == digits.count
            guard count >= 2, count == 4 || isLast, quad.dropFirst(count).allSatisfy({ $0 == padding }) else {
                return nil
            }
            var group = 0
            for digit in quad.prefix(count) {
                guard let value = alphabet.firstIndex(of: digit) else { return nil }
                group = group << 6 | value
            }
            group <<= 6 * (4 - count)
            for index in 0..<(count - 1) { bytes.append(UInt8(truncatingIfNeeded: group >> (16 - 8 * index))) }
        }
        return bytes
    }
}
