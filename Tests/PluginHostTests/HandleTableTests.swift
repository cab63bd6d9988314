// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import PluginHost

@Suite struct HandleTableTests {
    /// A reference, so that expectations may change it.
    private final class Table<Value> {
        private var table: HandleTable<Value>
        init(capacity: Int) { table = HandleTable(capacity: capacity) }
        var count: Int { table.count }
        var values: [Value] { table.entries.map(\.value) }
        subscript(handle: UInt64) -> Value? { table[handle] }
        func insert(_ value: Value) -> UInt64? { table.insert(value) }
        func remove(_ handle: UInt64) -> Value? { table.remove(handle) }
    }

    @Test("A handle is found until it is removed, and never means anything else afterwards")
    func handlesAreNeverReused() throws {
        let table = Table<Int>(capacity: 8)
        var seen: Set<UInt64> = []
        for round in 0..<1000 {
            let handle = try #require(table.insert(round))
            #expect(handle != 0)
            #expect(Int64(bitPattern: handle) > 0)
            #expect(seen.insert(handle).inserted)
            #expect(table[handle] == round)
            #expect(table.remove(handle) == round)
            #expect(table[handle] == nil)
            #expect(table.remove(handle) == nil)
        }
        #expect(table.count == 0)
    }

    @Test("A full table takes nothing, and takes again what is freed")
    func capacity() throws {
        let table = Table<String>(capacity: 2)
        let first = try #require(table.insert("a"))
        #expect(table.insert("b") != nil)
        #expect(table.insert("c") == nil)
        _ = table.remove(first)
        #expect(table.insert("c") != nil)
        #expect(table.values.sorted() == ["b", "c"])
    }

    @Test("Handles that were never given out are unknown", arguments: [0, 1, 1 << 20, UInt64.max])
    func unknown(handle: UInt64) {
        let table = Table<Int>(capacity: 4)
        if handle != 1 << 20 { _ = table.insert(7) }
        #expect(table[handle] == nil)
        #expect(table.remove(handle) == nil)
    }
}
