// SPDX-License-Identifier: Apache-2.0

/// Numbers by which a plugin names things of the host (sites, deliveries, operations): found in constant time, and never
/// used twice in a process, so that a stale one is noticed instead of meaning something else.
///
/// A handle is `serial << 20 | slot`: positive as a signed number too, and never 0. Not thread-safe: its owner locks it or
/// stays on one loop.
struct HandleTable<Value> {
    private struct Slot {
        var value: Value?
        /// Grows with each use of the slot; 43 bits last for ever.
        var serial: UInt64
    }

    private static var slotBits: UInt64 { 20 }
    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private(set) var count = 0
    /// At most this many at once.
    let capacity: Int

    init(capacity: Int) {
        self.capacity = min(capacity, 1 << Int(Self.slotBits))
    }

    /// nil where the table is full.
    mutating func insert(_ value: Value) -> UInt64? {
        guard count < capacity else { return nil }
        count += 1
        if let slot = free.popLast() {
            slots[Int(slot)].value = value
            slots[Int(slot)].serial += 1
            return slots[Int(slot)].serial << Self.slotBits | UInt64(slot)
        }
        slots.append(Slot(value: value, serial: 1))
        return 1 << Self.slotBits | UInt64(slots.count - 1)
    }

    /// The slot that a live handle occupies: small, and free for others once it is removed.
    static func slot(of handle: UInt64) -> Int { Int(handle & (1 << slotBits - 1)) }

    subscript(handle: UInt64) -> Value? {
        let slot = Self.slot(of: handle)
        guard slot < slots.count, slots[slot].serial == handle >> Self.slotBits else { return nil }
        return slots[slot].value
    }

    mutating func remove(_ handle: UInt64) -> Value? {
        let slot = Self.slot(of: handle)
        guard slot < slots.count, slots[slot].serial == handle >> Self.slotBits, let value = slots[slot].value else {
            return nil
        }
        slots[slot].value = nil
        free.append(UInt32(slot))
        count -= 1
        return value
    }

    /// All live entries, in no order.
    var entries: [(handle: UInt64, value: Value)] {
        slots.indices.compactMap { slot in
            slots[slot].value.map { (slots[slot].serial << Self.slotBits | UInt64(slot), $0) }
        }
    }
}
