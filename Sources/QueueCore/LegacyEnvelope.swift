// SPDX-License-Identifier: Apache-2.0

/// The original's envelope: a PHP-serialized array of site, handler and payload, as StatusNet 0.9 and 1.0 send it to a
/// group's destination (`a:3:{s:4:"site";s:4:"peer";s:7:"handler";...}`; lengths count bytes).
package struct LegacyEnvelope: Hashable, Sendable {
    package enum Payload: Hashable, Sendable {
        case frame([UInt8])
        /// Only a notice's number: what it says is in StatusNet's database, out of our reach.
        case noticeNumber(String)
    }

    package let site: String
    package let queue: String
    package let payload: Payload

    /// nil where the body isn't such an envelope.
    package init?(_ body: some Collection<UInt8>) {
        var reader = SerializedReader(bytes: Array(body))
        guard let count = reader.arrayHead(), count == 3 else { return nil }
        var members: [String: [UInt8]] = [:]
        for _ in 0..<count {
            guard let key = reader.string(), let value = reader.string() else { return nil }
            members[String(decoding: key, as: UTF8.self)] = value
        }
        guard reader.skip("}"), reader.isAtEnd, let site = members["site"], let queue = members["handler"],
            let payload = members["payload"]
        else { return nil }
        self.site = String(decoding: site, as: UTF8.self)
        self.queue = String(decoding: queue, as: UTF8.self)
        if !payload.isEmpty, payload.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            self.payload = .noticeNumber(String(decoding: payload, as: UTF8.self))
        } else {
            var nested = SerializedReader(bytes: payload)
            if let text = nested.string(), nested.isAtEnd {
                self.payload = .frame(text)
            } else {
                self.payload = .frame(payload)
            }
        }
    }
}

/// Reads the few forms of PHP's serialize() that envelopes are made of.
private struct SerializedReader {
    let bytes: [UInt8]
    var index = 0

    var isAtEnd: Bool { index == bytes.count }

    mutating func skip(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard bytes[index...].starts(with: wanted) else { return false }
        index += wanted.count
        return true
    }

    private mutating func number() -> Int? {
        let digits = bytes[index...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.prefix(10)
        index += digits.count
        return Int(String(decoding: digits, as: UTF8.self))
    }

    mutating func arrayHead() -> Int? {
        guard skip("a:"), let count = number(), skip(":{") else { return nil }
        return count
    }

    mutating func string() -> [UInt8]? {
        guard skip("s:"), let count = number(), skip(":\""), count <= bytes.count - index else { return nil }
        let value = Array(bytes[index..<index + count])
        index += count
        guard skip("\";") else { return nil }
        return value
    }
}
