// SPDX-License-Identifier: Apache-2.0
import PluginABI
import QueueCore

/// Items that a plugin adds, read out of C memory: all of a call or none, within the ABI's limits.
struct StagedItems {
    private(set) var items: [NewItem] = []
    /// Payloads and each distinct shared part.
    private var byteCount = 0
    /// The last shared part, so that naming it again by content costs no copy.
    private var lastShared: [UInt8] = []

    private static let maxItems = Int(HOSTD_MAX_STAGED)
    private static let maxBytes = Int(HOSTD_MAX_STAGED_BYTES)
    private static let maxPayload = Int(HOSTD_MAX_PAYLOAD)
    /// Keys, targets and lanes: longer ones are a bug, and they are kept in memory per lane.
    private static let maxName = 2048
    private static let minimumSize = hostd_item.end(of: \.payload)

    /// Adds `count` items, or none and says why (`HOSTD_E_*`).
    ///
    /// `queueNamed` knows the queues that the plugin declared.
    mutating func add(
        _ first: UnsafePointer<hostd_item>?,
        stride: Int,
        count: Int,
        queueNamed: (hostd_str) -> QueueName?
    ) -> Int32 {
        guard count > 0 else { return HOSTD_OK }
        guard let first, stride >= Self.minimumSize else { return HOSTD_E_INVAL }
        guard count <= Self.maxItems - items.count else { return HOSTD_E_LIMIT }
        var added: [NewItem] = []
        added.reserveCapacity(count)
        var bytes = byteCount
        var shared = lastShared
        // Within one call a shared part is told by pointer and length.
        var sharedAt: (pointer: UnsafePointer<CChar>?, count: Int) = (nil, 0)
        for index in 0..<count {
            let source = UnsafeRawPointer(first) + index * stride
            guard let item = hostd_item.read(source, atLeast: Self.minimumSize), Int(item.struct_size) <= stride else {
                return HOSTD_E_INVAL
            }
            guard let queue = queueNamed(item.queue), item.priority <= 10 else { return HOSTD_E_INVAL }
            guard item.payload.bytes.count <= Self.maxPayload, item.shared.bytes.count <= Self.maxPayload,
                item.dedup_key.bytes.count <= Self.maxName, item.target.bytes.count <= Self.maxName,
                item.lane.bytes.count <= Self.maxName
            else { return HOSTD_E_LIMIT }
            if !item.shared.isEmpty, item.shared.ptr != sharedAt.pointer || item.shared.len != sharedAt.count {
                sharedAt = (item.shared.ptr, item.shared.len)
                if !Self.isEqual(shared, item.shared) {
                    shared = item.shared.array
                    bytes += shared.count
                }
            }
            bytes += item.payload.bytes.count
            guard bytes <= Self.maxBytes else { return HOSTD_E_LIMIT }
            added.append(Self.newItem(item, queue: queue, shared: item.shared.isEmpty ? [] : shared))
        }
        items.append(contentsOf: added)
        byteCount = bytes
        lastShared = shared
        return HOSTD_OK
    }

    private static func newItem(_ item: hostd_item, queue: QueueName, shared: [UInt8]) -> NewItem {
        var new = NewItem(queue: queue, payload: item.payload.array)
        new.shared = shared
        new.dedupeKey = item.dedup_key.text
        new.target = item.target.text
        new.lane = item.lane.text
        new.delayMs = item.delay_ms
        // The ABI's priorities are STOMP's plus one, so that 0 can mean normal.
        new.priority = item.priority == 0 ? Priority.normal : UInt8(item.priority - 1)
        new.expiresMs = item.expires_ms
        return new
    }

    private static func isEqual(_ array: [UInt8], _ text: hostd_str) -> Bool {
        guard array.count == text.bytes.count else { return false }
        return array.elementsEqual(text.bytes)
    }
}
