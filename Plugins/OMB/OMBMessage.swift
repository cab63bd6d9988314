// SPDX-License-Identifier: Apache-2.0

import OAuth1

/// The shared part of stage-2 items: whose subscribers get it, and the prepared parameters, ready to be signed.
///
/// Layout: `OMB1 A F\n`, then A bytes of author URI, F bytes of form, and the form as it stands in a base string.
struct OMBMessage {
    private static let magic: StaticString = "OMB1 "

    let bytes: [UInt8]

    init(author: String, _ form: PreparedForm) {
        var bytes = Array("\(Self.magic)\(author.utf8.count) \(form.form.count)\n".utf8)
        bytes.reserveCapacity(bytes.count + author.utf8.count + form.form.count + form.base.count)
        bytes.append(contentsOf: author.utf8)
        bytes.append(contentsOf: form.form)
        bytes.append(contentsOf: form.base)
        self.bytes = bytes
    }

    /// Where the parts lie in a message; the bytes themselves stay the host's.
    struct Layout {
        private let authorStart: Int
        private let formStart: Int
        private let baseStart: Int

        /// nil where `bytes` aren't a message.
        init?(_ bytes: UnsafeRawBufferPointer) {
            guard bytes.starts(with: UnsafeBufferPointer(start: magic.utf8Start, count: magic.utf8CodeUnitCount)) else {
                return nil
            }
            var at = magic.utf8CodeUnitCount
            guard let author = Self.number(bytes, &at, endingWith: UInt8(ascii: " ")),
                let form = Self.number(bytes, &at, endingWith: UInt8(ascii: "\n")),
                author <= bytes.count, form <= bytes.count, at + author + form < bytes.count
            else { return nil }
            authorStart = at
            formStart = at + author
            baseStart = at + author + form
        }

        func author(in bytes: UnsafeRawBufferPointer) -> String {
            String(decoding: bytes[authorStart..<formStart], as: UTF8.self)
        }

        func form(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[formStart..<baseStart])
        }

        func base(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[baseStart...])
        }

        private static func number(_ bytes: UnsafeRawBufferPointer, _ at: inout Int, endingWith end: UInt8) -> Int? {
            var value = 0
            let start = at
            // Eight digits are more than any frame is long.
            while at < bytes.count, at - start < 8, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) {
                value = value * 10 + Int(bytes[at] - UInt8(ascii: "0"))
                at += 1
            }
            guard at > start, at < bytes.count, bytes[at] == end else { return nil }
            at += 1
            return value
        }
    }
}

/// A stage-2 item's own part: where to post, and which recipient's tokens sign it.
///
/// As bytes: the URL; and, where it isn't the recipient's target itself, a line feed and that target.
struct OMBTarget {
    let url: String
    let recipient: String

    init(url: String, recipient: String) {
        self.url = url
        self.recipient = recipient
    }

    init(_ bytes: UnsafeRawBufferPointer) {
        let lineFeed = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        url = String(decoding: bytes[..<lineFeed], as: UTF8.self)
        recipient = lineFeed < bytes.endIndex ? String(decoding: bytes[(lineFeed + 1)...], as: UTF8.self) : url
    }

    var bytes: [UInt8] { Array((url == recipient ? url : "\(url)\n\(recipient)").utf8) }

    /// The URL as operators may see it: without user and password.
    static func withoutUser(_ url: String) -> String {
        guard let at = url.utf8.firstIndex(of: UInt8(ascii: "@")), let scheme = url.firstRange(of: "://") else {
            return url
        }
        let end = url[scheme.upperBound...].utf8.firstIndex { "/?#".utf8.contains($0) } ?? url.endIndex
        guard at < end, let last = url[..<end].lastIndex(of: "@") else { return url }
        return String(url[..<scheme.upperBound] + url[url.index(after: last)...])
    }
}
