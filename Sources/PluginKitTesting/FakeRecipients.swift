// SPDX-License-Identifier: Apache-2.0

import PluginABI
public import PluginKit

/// The recipients directory of a fake host, per site.
public final class FakeRecipients: Sendable {
    private let rows = Locked<[String: [Recipient]]>([:])

    init() {}

    /// Adds rows to a site, or replaces those of the same author, target and key.
    public func add(_ recipients: Recipient..., site: String = FakeHost.defaultSite) { add(recipients, site: site) }

    /// Adds rows to a site, or replaces those of the same author, target and key.
    public func add(_ recipients: [Recipient], site: String = FakeHost.defaultSite) {
        rows.withLock { rows in
            var all = rows[site] ?? []
            let new = Set(recipients.map { Self.identity($0) })
            all.removeAll { new.contains(Self.identity($0)) }
            all += recipients
            all.sort { Self.identity($0).lexicographicallyPrecedes(Self.identity($1)) }
            rows[site] = all
        }
    }

    /// The rows of a site, ordered by author, target and key.
    public func all(site: String = FakeHost.defaultSite) -> [Recipient] { rows.withLock { $0[site] ?? [] } }

    func remove(site: String, author: String, target: String, key: String) -> Bool {
        rows.withLock { rows in
            let before = rows[site]?.count ?? 0
            rows[site]?.removeAll { row in
                (author.isEmpty || row.author == author) && row.target == target && (key.isEmpty || row.key == key)
            }
            return rows[site]?.count ?? 0 < before
        }
    }

    /// Some rows after `cursor`, never splitting a target, and the cursor of the next ones.
    static func page(
        _ rows: [Recipient],
        author: String,
        after cursor: String,
        limit: Int
    ) -> (rows: [Recipient], next: String) {
        let waiting = rows.filter {
            (author.isEmpty || $0.author == author) && (cursor.isEmpty || position($0) > cursor)
        }
        var end = min(max(limit, 1), waiting.count)
        while end > 0, end < waiting.count, position(waiting[end]) == position(waiting[end - 1]) { end += 1 }
        return (Array(waiting[..<end]), end < waiting.count ? position(waiting[end - 1]) : "")
    }

    private static func position(_ row: Recipient) -> String { row.author + "\n" + row.target }
    private static func identity(_ row: Recipient) -> [String] { [row.author, row.target, row.key] }

    /// Calls the plugin back, on the host's thread.
    static func deliver(_ rows: [Recipient], next: String, to callback: Callback<hostd_page_fn>, _ operation: hostd_op)
    {
        var arena = Arena()
        let ranges = rows.map { row in
            (
                author: arena.add(row.author), target: arena.add(row.target), key: arena.add(row.key),
                credentials: arena.add(row.credentials.text), options: arena.add(row.options.text)
            )
        }
        arena.bytes.withUnsafeBytes { bytes in
            let structs = zip(rows, ranges).map { row, range in
                hostd_recipient(
                    struct_size: structSize(hostd_recipient.self),
                    flags: 0,
                    version: row.version,
                    author: bytes.slice(range.author),
                    target: bytes.slice(range.target),
                    key: bytes.slice(range.key),
                    credentials: bytes.slice(range.credentials),
                    options: bytes.slice(range.options)
                )
            }
            structs.withUnsafeBufferPointer { structs in
                next.withSlice { next in
                    callback.function(
                        callback.user,
                        operation,
                        HOSTD_OK,
                        structs.baseAddress,
                        MemoryLayout<hostd_recipient>.stride,
                        structs.count,
                        next
                    )
                }
            }
        }
    }
}
