// SPDX-License-Identifier: Apache-2.0
import Dispatch
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// Many writers, one transaction: what each learns, and what one that fails takes with it.
@Suite struct GroupCommitTests {
    private let fixture: StoreFixture
    private static let no = QueueStoreError.failed(code: 7, text: "no")

    init() throws { fixture = try StoreFixture() }

    /// Holds up the store's writer until it is opened, so that what is written meanwhile is one group.
    private func hold(_ store: QueueStore) -> DispatchSemaphore {
        let gate = DispatchSemaphore(value: 0)
        store.write { (_) throws(QueueStoreError) in
            gate.wait()
        } completion: { _ in
        }
        return gate
    }

    @Test("Completions come in the order of the calls, however many groups they made")
    func order() async throws {
        let store = try fixture.open()
        let order = EventLog<Int>()
        let gate = hold(store)
        for index in 0..<2000 {
            if index == 1000 { gate.signal() }
            store.write { (transaction) throws(QueueStoreError) in
                try transaction.insert(.make("\(index)"), nowMs: 1000, dedupeSince: 0)
            } completion: { _ in
                order.append(index)
            }
        }
        let seen = try await order.first(2000)
        #expect(seen == Array(0..<2000))
        let again = try await fixture.reopen(store)
        let texts = try await again.fetch { reader in
            try reader.readySources().flatMap { try reader.ready($0, after: 0, limit: 5000) }.map(\.text)
        }
        #expect(texts == (0..<2000).map { "\($0)" })
    }

    @Test("Writers side by side all get their own item, and all of them are stored")
    func sideBySide() async throws {
        let store = try fixture.open()
        let ids = try await withThrowingTaskGroup(of: (Int64, String).self) { group in
            for writer in 0..<20 {
                group.addTask {
                    let text = "writer \(writer)"
                    return (try await store.commit { try $0.add(.make(text)).id }, text)
                }
            }
            var ids: [Int64: String] = [:]
            for try await (id, text) in group { ids[id] = text }
            return ids
        }
        #expect(ids.count == 20)
        let again = try await fixture.reopen(store)
        let stored = try await again.fetch { reader in
            Dictionary(uniqueKeysWithValues: try reader.allReady().map { ($0.id, $0.text) })
        }
        #expect(stored == ids)
    }

    @Test("An error undoes its own work, and nothing of its neighbours' in the same group")
    func neighbours() async throws {
        let store = try fixture.open()
        let results = EventLog<String>()
        let gate = hold(store)
        func write(_ name: String, _ work: @escaping @Sendable (StoreTransaction) throws(QueueStoreError) -> Void) {
            store.write(work) { result in
                switch result {
                case .success: results.append("\(name) stored")
                case .failure(let error):
                    let end = error == Self.no ? "undone" : error.description
                    results.append("\(name) \(end)")
                }
            }
        }
        write("first") { (transaction) throws(QueueStoreError) in
            _ = try transaction.insert(.make("first") { $0.shared = [1, 2, 3] }, nowMs: 1000, dedupeSince: 0)
        }
        write("second") { (transaction) throws(QueueStoreError) in
            let new = Incoming.make("second", site: "zoe") {
                $0.shared = [1, 2, 3]
                $0.target = "t"
            }
            let other = Incoming.make("second", site: "zoe") { $0.shared = [4] }
            _ = try transaction.insert(other, nowMs: 1000, dedupeSince: 0)
            guard case .stored(let item) = try transaction.insert(new, nowMs: 1000, dedupeSince: 0),
                let hash = item.lane
            else { return }
            try transaction.save(
                lane: StoredLane(
                    hash: hash,
                    queue: item.queue,
                    site: item.site,
                    key: "t",
                    state: .open,
                    nextAttemptMs: 9000,
                    openings: 1,
                    reason: ""
                )
            )
            throw Self.no
        }
        write("third") { (transaction) throws(QueueStoreError) in
            let new = Incoming.make("third", site: "zoe") {
                $0.shared = [4]
                $0.target = "t"
            }
            _ = try transaction.insert(new, nowMs: 1000, dedupeSince: 0)
        }
        gate.signal()
        let seen = try await results.first(3)
        #expect(seen == ["first stored", "second undone", "third stored"])

        let again = try await fixture.reopen(store)
        let items = try await again.fetch { try $0.allReady() }
        #expect(items.map(\.text) == ["first", "third"], "the third isn't parked: its lane was undone")
        #expect(items.map { $0.body?.bytes } == [[1, 2, 3], [4]])
        let names = try await again.fetch { try $0.names() }
        #expect(Set(names.values) == ["out", "alice", "zoe"])
        #expect(items.map { names[$0.site] } == ["alice", "zoe"])
        #expect(try fixture.number("SELECT count(*) FROM lane") == 0)
        #expect(try fixture.number("SELECT count(*) FROM body") == 2)
        #expect(try fixture.number("SELECT sum(refs) FROM body") == 2)
    }

    @Test("An error in SQL undoes its work alone too")
    func sqlError() async throws {
        let store = try fixture.open()
        try await store.commit { _ = try $0.add(.make("before")) }
        let error = await #expect(throws: QueueStoreError.self) {
            try await store.commit { transaction in
                try transaction.add(.make("undone"))
                _ = try HotStatement("SELECT nothing FROM nowhere", transaction.connection)
            }
        }
        #expect(error?.kind == "failed")
        try await store.commit { _ = try $0.add(.make("after")) }
        let again = try await fixture.reopen(store)
        let texts = try await again.fetch { try $0.allReady().map(\.text) }
        #expect(texts == ["before", "after"])
    }

    @Test("A lane count that was undone parks nothing, one that was kept does")
    func laneCount() async throws {
        let store = try fixture.open()
        let first = try await store.commit { try $0.add(.to("t")) }
        await #expect(throws: Self.no) {
            try await store.commit { transaction in
                try transaction.shut(first)
                throw Self.no
            }
        }
        let open = try await store.commit { transaction in (transaction.laneCount, try transaction.add(.to("t")).state)
        }
        #expect(open.0 == 0 && open.1 == .ready)
        let shut = try await store.commit { transaction in
            try transaction.shut(first)
            return (transaction.laneCount, try transaction.add(.to("t")).state)
        }
        #expect(shut.0 == 1 && shut.1 == .parked)
    }

    @Test("A name that was undone is given out anew, and no two names share a number")
    func undoneNames() async throws {
        let store = try fixture.open()
        await #expect(throws: Self.no) {
            try await store.commit { transaction in
                _ = try transaction.nameID("lost")
                _ = try transaction.nameID("again")
                throw Self.no
            }
        }
        let ids = try await store.commit { transaction in
            try ["kept", "again", "kept", ""].map { try transaction.nameID($0) }
        }
        #expect(ids[0] == ids[2] && ids[0] != ids[1] && ids[3] == 0)
        let again = try await fixture.reopen(store)
        let names = try await again.fetch { try $0.names() }
        #expect(names == [ids[0]: "kept", ids[1]: "again"])
        let later = try await again.commit { transaction in
            try ["again", "kept", "new"].map { try transaction.nameID($0) }
        }
        #expect(later[0] == ids[1] && later[1] == ids[0] && Set(later).count == 3)
    }
}
