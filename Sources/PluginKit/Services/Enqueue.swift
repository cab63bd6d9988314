// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// An item to add.
public struct NewItem: Sendable, Hashable {
    /// The queue that gets it.
    public var queue: String
    /// What is its own.
    public var payload: [UInt8]
    /// Who gets it, for `queuectl target` and `queuectl notice`: a URL, JID or account.
    ///
    /// No secrets. Empty = none.
    public var target: String
    /// Items of one lane start in order and back off as one; empty = the target.
    public var lane = ""
    /// The same key twice in one site and queue is one item; empty = none.
    public var dedupeKey: String
    /// Not before so long.
    public var delay: Duration = .zero
    /// 0-9, as STOMP's; nil = normal (4).
    public var priority: Int?
    /// Given up unsent after this; nil = the queue's default.
    public var expires: UnixTime?

    /// An item to add.
    public init(queue: String, payload: [UInt8], target: String = "", dedupeKey: String = "") {
        self.queue = queue
        self.payload = payload
        self.target = target
        self.dedupeKey = dedupeKey
    }
}

extension Item {
    /// Adds items to what ``Outcome/done`` or ``Outcome/continue(cursor:)`` of this delivery will commit: all or none.
    ///
    /// `shared`: What all of them have in common; stored once.
    /// Throws ``HostError/Code/overLimit`` where a delivery holds no more: continue with a cursor first.
    public func stage(_ items: [NewItem], shared: [UInt8] = []) throws(HostError) {
        guard !items.isEmpty else { return }
        let host = site.host
        let token = delivery.token
        let status = withCItems(items, shared: shared) { pointer, count in
            host.table.pointee.stage?(host.table, token, pointer, MemoryLayout<hostd_item>.stride, count)
                ?? HOSTD_E_UNSUPPORTED
        }
        guard status == HOSTD_OK else { throw HostError(status: status, "staging \(items.count) items") }
    }
}

extension Site {
    /// Adds items outside a delivery, as when something came in on a connection.
    ///
    /// Returns once they are durable.
    ///
    /// `shared`: What all of them have in common; stored once.
    public func enqueue(_ items: [NewItem], shared: [UInt8] = []) async throws(HostError) {
        guard !items.isEmpty else { return }
        guard let enqueue = host.table.pointee.enqueue else { throw HostError(.unsupported, "enqueue") }
        let status: Int32 = await HostCall.run(host, refused: { $0 }, cancelled: HostError.Code.cancelled.value) {
            user in
            withCItems(items, shared: shared) { pointer, count in
                enqueue(
                    host.table,
                    handle,
                    pointer,
                    MemoryLayout<hostd_item>.stride,
                    count,
                    { user, _, status in HostCall<Int32>.end(user) { status } },
                    user
                )
            }
        }
        guard status == HOSTD_OK else { throw HostError(status: status, "enqueueing \(items.count) items") }
    }

    /// Gives nobody an item of a lane for a while, as when the remote side wants less.
    ///
    /// - `lane`: nil = the whole queue.
    /// - `duration`: Zero lets it go on at once.
    /// - `text`: Why, for the operator.
    public func hold(queue: String, lane: String? = nil, for duration: Duration, _ text: String) {
        queue.withSlice { queue in
            (lane ?? "").withSlice { lane in
                text.withSlice { text in
                    _ = host.table.pointee.hold?(host.table, handle, queue, lane, duration.wholeMilliseconds, text)
                }
            }
        }
    }
}

/// Where an item's parts lie in an arena.
private struct ItemRanges { let queue, payload, dedupeKey, target, lane: Range<Int> }

/// Lends items to the host for one call: all their bytes in one arena, the structs pointing into it.
private func withCItems<Result>(
    _ items: [NewItem],
    shared: [UInt8],
    _ body: (UnsafePointer<hostd_item>?, Int) -> Result
) -> Result {
    var arena = Arena()
    arena.reserve(items.reduce(0) { $0 + $1.payload.count + $1.target.utf8.count + $1.dedupeKey.utf8.count + 32 })
    let ranges = items.map { item in
        ItemRanges(
            queue: arena.add(item.queue),
            payload: arena.add(item.payload),
            dedupeKey: arena.add(item.dedupeKey),
            target: arena.add(item.target),
            lane: arena.add(item.lane)
        )
    }
    return arena.bytes.withUnsafeBytes { bytes in
        shared.withSlice { shared in
            var structs: [hostd_item] = []
            structs.reserveCapacity(items.count)
            for (item, range) in zip(items, ranges) {
                structs.append(
                    hostd_item(
                        struct_size: structSize(hostd_item.self),
                        flags: 0,
                        queue: bytes.slice(range.queue),
                        payload: bytes.slice(range.payload),
                        shared: shared,
                        dedup_key: bytes.slice(range.dedupeKey),
                        target: bytes.slice(range.target),
                        lane: bytes.slice(range.lane),
                        delay_ms: item.delay.wholeMilliseconds,
                        priority: item.priority.map { UInt32(min(max($0, 0), 9)) + 1 } ?? 0,
                        expires_ms: item.expires?.milliseconds ?? 0
                    )
                )
            }
            return structs.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
        }
    }
}
