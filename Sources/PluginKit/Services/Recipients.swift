// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// A site's recipients of this plugin (`hostd.recipients/1`).
@HostActor
public struct Recipients {
    private struct Answer: Sendable {
        var status: Int32
        var rows: [Recipient] = []
        var next: [UInt8] = []
    }

    let site: Site

    /// Some recipients of an author, in the directory's order.
    ///
    /// - `author`: The author's URI; nil = all authors'.
    /// - `cursor`: A former page's `next`; empty = from the start. Good for ever, also after a crash.
    /// - `limit`: At most about so many rows; a target's rows are never split.
    /// - `item`: Where its notice brings recipients of its own, those are served in place of the directory's.
    public func page(
        of author: String?,
        after cursor: [UInt8],
        limit: Int,
        for item: Item?
    ) async throws(HostError) -> RecipientPage {
        let token = item?.delivery.token ?? 0
        guard let page = site.host.recipients?.pointee.page else { throw unsupported }
        let answer = await run { host, fn, user in
            (author ?? "").withSlice { author in
                cursor.withSlice { cursor in
                    page(host.table, site.handle, token, author, cursor, UInt32(clamping: limit), fn, user)
                }
            }
        }
        guard answer.status == HOSTD_OK else { throw HostError(status: answer.status, "reading recipients") }
        return RecipientPage(rows: answer.rows, next: answer.next.isEmpty ? nil : answer.next)
    }

    /// All subscriptions of one target to one author; none where it has unsubscribed meanwhile.
    public func get(author: String, target: String, for item: Item?) async throws(HostError) -> [Recipient] {
        let token = item?.delivery.token ?? 0
        guard let get = site.host.recipients?.pointee.get else { throw unsupported }
        let answer = await run { host, fn, user in
            author.withSlice { author in
                target.withSlice { target in get(host.table, site.handle, token, author, target, fn, user) }
            }
        }
        switch answer.status {
        case HOSTD_OK: return answer.rows
        case HOSTD_E_NOTFOUND: return []
        default: throw HostError(status: answer.status, "reading a recipient")
        }
    }

    /// Adds or replaces a row.
    ///
    /// Throws ``HostError/Code/stale`` where the row has another version by now.
    public func put(_ recipient: Recipient) async throws(HostError) {
        guard let put = site.host.recipients?.pointee.put else { throw unsupported }
        try await change("writing a recipient") { host, fn, user in
            recipient.withCRecipient { put(host.table, site.handle, $0, fn, user) }
        }
    }

    /// Removes rows: unsubscribed, or gone.
    ///
    /// - `author`: nil = every author's.
    /// - `key`: nil = every key.
    /// - `why`: For the host's log.
    public func remove(author: String?, target: String, key: String?, why: String) async throws(HostError) {
        guard let remove = site.host.recipients?.pointee.remove else { throw unsupported }
        try await change("removing a recipient") { host, fn, user in
            (author ?? "").withSlice { author in
                target.withSlice { target in
                    (key ?? "").withSlice { key in
                        why.withSlice { why in
                            remove(host.table, site.handle, author, target, key, why, fn, user)
                        }
                    }
                }
            }
        }
    }

    private var unsupported: HostError { HostError(.unsupported, Host.Service.recipients.rawValue) }

    private func run(
        _ start: (Host, @escaping hostd_page_fn, UnsafeMutableRawPointer) -> hostd_op
    ) async -> Answer {
        let host = site.host
        return await HostCall.run(
            host,
            refused: { Answer(status: $0) },
            cancelled: Answer(status: HostError.Code.cancelled.value)
        ) { user in
            start(
                host,
                { user, _, status, rows, stride, count, next in
                    HostCall<Answer>.end(user) {
                        Answer(
                            status: status,
                            rows: Recipients.copy(rows, stride: stride, count: count),
                            next: [UInt8](next.bytes)
                        )
                    }
                },
                user
            )
        }
    }

    private func change(
        _ what: String,
        _ start: (Host, @escaping hostd_status_fn, UnsafeMutableRawPointer) -> hostd_op
    ) async throws(HostError) {
        let host = site.host
        let status: Int32 = await HostCall.run(host, refused: { $0 }, cancelled: HostError.Code.cancelled.value) {
            user in
            start(host, { user, _, status in HostCall<Int32>.end(user) { status } }, user)
        }
        guard status == HOSTD_OK else { throw HostError(status: status, what) }
    }

    /// Copies a page into one block that all its rows share.
    private nonisolated static func copy(
        _ rows: UnsafePointer<hostd_recipient>?,
        stride: Int,
        count: Int
    ) -> [Recipient] {
        guard let rows, count > 0 else { return [] }
        // By stride: a newer host's rows may be longer than the ones that this was built with.
        func row(_ index: Int) -> hostd_recipient {
            UnsafeRawPointer(rows).advanced(by: index * stride).assumingMemoryBound(to: hostd_recipient.self).pointee
        }
        var arena = Arena()
        arena.reserve((0..<count).reduce(0) { $0 + byteCount(row($1)) })
        let fields = (0..<count).map { index in
            let row = row(index)
            var fields = Recipient.Fields(start: arena.bytes.count)
            fields.author = arena.add(row.author.bytes).upperBound
            fields.target = arena.add(row.target.bytes).upperBound
            fields.key = arena.add(row.key.bytes).upperBound
            fields.credentials = arena.add(row.credentials.bytes).upperBound
            fields.options = arena.add(row.options.bytes).upperBound
            return fields
        }
        return fields.enumerated().map { Recipient(storage: arena.bytes, fields: $1, version: row($0).version) }
    }

    private nonisolated static func byteCount(_ row: hostd_recipient) -> Int {
        row.author.bytes.count + row.target.bytes.count + row.key.bytes.count + row.credentials.bytes.count
            + row.options.bytes.count
    }
}

extension Site {
    /// The site's recipients of this plugin (`hostd.recipients/1`).
    public var recipients: Recipients { Recipients(site: self) }
}
