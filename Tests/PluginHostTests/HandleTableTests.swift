// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import PluginHost

@Suite struct HandleTableTests {
    @Test("A handle is found until it is removed, and never means anything else afterwards")
    func handlesAreNeverReused() throws {
        var table = HandleTable<Int>(capacity: 8)
        var seen: Set<UInt64> = []
        for round in 0..<1000 {
            let inserted = table.insert(round)
            let handle = try #require(inserted)
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
        var table = HandleTable<String>(capacity: 2)
        let (a, b) = (table.insert("a"), table.insert("b"))
        let first = try #require(a)
        #expect(b != nil)
        #expect(table.insert("c") == nil)
        _ = table.remove(first)
        #expect(table.insert("c") != nil)
        #expect(table.entries.map(\.value).sorted() == ["b", "c"])
    }

    @Test("Handles that were never given out are unknown", arguments: [0, 1, 1 << 20, UInt64.max])
    func unknown(handle: UInt64) {
        var table = HandleTable<Int>(capacity: 4)
        if handle != 1 << 20 { _ = table.insert(7) }
        #expect(table[handle] == nil)
        #expect(table.remove(handle) == nil)
    }
}
