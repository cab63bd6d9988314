// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
package import QueueCore

/// The recipients that a notice brings along, served in the place of the directory's; same pages, same order.
package struct InlineRecipients: Sendable {
    /// By (target, author, key), as bytes.
    private let rows: [Recipient]

    private static let memberName: StaticString = "\"recipients\""

    /// The frame's own list for `plugin`.
    ///
    /// nil where the frame brings none, or one for other plugins only: then the directory counts. An empty list means
    /// nobody.
    /// - Throws: `invalid` where the frame isn't JSON or an entry is wrong.
    package static func parse(
        _ frame: UnsafeRawBufferPointer,
        plugin: PluginName
    ) throws(RecipientDirectoryError) -> InlineRecipients? {
        // Nearly all frames end here, unparsed and not copied: this is looked at for each delivery.
        guard namesRecipients(frame) else { return nil }
        let envelope: Envelope
        do {
            envelope = try JSONDecoder().decode(Envelope.self, from: Data(frame))
        } catch let error as RecipientDirectoryError {
            throw error
        } catch DecodingError.typeMismatch {
            throw .invalid(field: "recipients", reason: "is not a list")
        } catch {
            throw .invalid(field: "frame", reason: "is not JSON")
        }
        guard let lines = envelope.recipients else { return nil }
        let own = lines.filter { $0.plugin == plugin.rawValue }
        return own.isEmpty && !lines.isEmpty ? nil : InlineRecipients(own.map(\.change))
    }

    /// Of rows with one key, the last counts.
    init(_ changes: [RecipientChange]) {
        var byKey: [[UInt8]: Recipient] = [:]
        for change in changes {
            let row = Recipient(
                author: change.author,
                target: change.target,
                key: change.key,
                credentials: change.credentials ?? "",
                options: change.options ?? ""
            )
            byKey[Self.sortKey(row)] = row
        }
        rows = byKey.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
    }

    package var count: Int { rows.count }

    /// As `RecipientReader.page`.
    package func page(
        author: String?,
        after cursor: [UInt8],
        limit: Int
    ) throws(RecipientDirectoryError) -> RecipientPage {
        let cursor = try RecipientCursor(cursor)
        // An author's pages go by target alone, whoever was the last author.
        let last = Self.sortKey(target: cursor.target, author: author ?? cursor.author) + [UInt8.max]
        var builder = PageBuilder(limit: limit)
        for row in rows[firstIndex(after: last)...] where author?.hasBytes(of: row.author) ?? true {
            guard builder.offer(row) else { break }
        }
        return builder.page
    }

    /// As `RecipientReader.get`.
    package func get(author: String, target: String) -> [Recipient] {
        let start = Self.sortKey(target: target, author: author)
        return Array(
            rows[firstIndex(after: start)...].prefix {
                $0.sharesTarget(with: Recipient(author: author, target: target))
            }
        )
    }

    // MARK: - Order

    // The fields joined by a byte below all of theirs compare as the fields one after the other.

    private static func sortKey(target: String, author: String) -> [UInt8] {
        Array(target.utf8) + [0] + Array(author.utf8) + [0]
    }

    private static func sortKey(_ row: Recipient) -> [UInt8] {
        sortKey(target: row.target, author: row.author) + Array(row.key.utf8)
    }

    /// Binary search: the first row that isn't before `bound`.
    private func firstIndex(after bound: [UInt8]) -> Int {
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if Self.sortKey(rows[middle]).lexicographicallyPrecedes(bound) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private struct Envelope: Decodable {
        let recipients: [RecipientLine]?
    }

    /// False where the frame is no JSON object, or names no recipients anywhere.
    private static func namesRecipients(_ frame: UnsafeRawBufferPointer) -> Bool {
        // RFC 8259 section 8.1: a parser may ignore a byte order mark.
        let text = frame.starts(with: [0xEF, 0xBB, 0xBF]) ? UnsafeRawBufferPointer(rebasing: frame[3...]) : frame
        guard text.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") else { return false }
        let name = UnsafeRawBufferPointer(start: memberName.utf8Start, count: memberName.utf8CodeUnitCount)
        guard text.count >= name.count, let start = text.baseAddress, let pattern = name.baseAddress else {
            return false
        }
        return (0...(text.count - name.count)).contains {
            text[$0] == name[0] && memcmp(start + $0, pattern, name.count) == 0
        }
    }
}
