// SPDX-License-Identifier: Apache-2.0
import QueueStore
import Testing

@testable import Broker

/// What is done next about `queue.dead_letter_dir`, and how its files are called.
@Suite struct DeadFileBacklogTests {
    /// One whose first comparison is over.
    private static func settled() -> DeadFileBacklog {
        var backlog = DeadFileBacklog()
        backlog.compared(lacking: [], next: nil)
        backlog.swept()
        return backlog
    }

    @Test("A start compares all letters page by page, writes what lacks, and then looks for files without a letter")
    func start() {
        var backlog = DeadFileBacklog()
        #expect(backlog.next() == .compare(after: 0))
        backlog.compared(lacking: [3, 5], next: 1000)
        #expect(backlog.next() == .write([3, 5]), "written at once: memory is bounded")
        backlog.wrote([3, 5])
        #expect(backlog.next() == .compare(after: 1000))
        backlog.compared(lacking: [], next: nil)
        #expect(backlog.next() == .sweep)
        backlog.swept()
        #expect(backlog.next() == nil && backlog.isEmpty)
    }

    @Test("Removals go before writes: what died anew is written behind its removal")
    func order() {
        var backlog = Self.settled()
        backlog.note([.died(1), .gone(2, site: "a", queue: "q"), .died(2), .died(1)])
        let name = DeadFileName(id: 2, site: "a", queue: "q")
        #expect(backlog.next() == .remove([name]))
        backlog.removed([name])
        #expect(backlog.next() == .write([1, 2]), "each once")
    }

    @Test("A step stays until it is done; one letter that can't be written goes behind the others")
    func failures() {
        var backlog = Self.settled()
        backlog.note([.died(1), .died(2)])
        let waits = (0..<8).map { _ in backlog.failed() }
        #expect(waits == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
        #expect(backlog.next() == .write([1, 2]))
        _ = backlog.failed(writing: 1)
        #expect(backlog.next() == .write([2, 1]))
        backlog.wrote([2, 1])
        let again = backlog.failed()
        #expect(again == 1000, "a success resets the wait")
    }

    @Test("More than it keeps in memory is found by a comparison")
    func overflow() {
        var backlog = Self.settled()
        backlog.note((1...20_000).map { .died($0) })
        #expect(backlog.waiting == DeadFileBacklog.limit)
        while case .write(let ids) = backlog.next() { backlog.wrote(ids) }
        #expect(backlog.next() == .compare(after: 0))
        // And while one is under way, there is another behind it.
        backlog.note((1...20_000).map { .gone($0, site: "a", queue: "q") })
        while case .remove(let names) = backlog.next() { backlog.removed(names) }
        backlog.compared(lacking: [], next: nil)
        backlog.swept()
        #expect(backlog.next() == .compare(after: 0))
    }

    @Test(
        "Names hold site, queue and id, and nothing that leads out of the folder",
        arguments: [
            ("alice", "ombout", "alice-ombout-7"), ("a.b", "x_y-z", "a.b-x_y-z-7"), ("", "", "_-_-7"),
            ("../../etc", "/queue/a", "%2E./../etc".replacing("/", with: "%2F") + "-%2Fqueue%2Fa-7"),
            (".", "é\n", "%2E-%C3%A9%0A-7"),
        ]
    )
    func names(site: String, queue: String, wanted: String) {
        let name = DeadFileName(id: 7, site: site, queue: queue)
        #expect(name.description == wanted)
        #expect(!name.description.contains("/") && !name.description.hasPrefix("."))
        #expect(DeadFileName(metadataFile: name.metadata) == name)
    }

    @Test("Long names are cut, and fit into a folder with all that goes around them")
    func longNames() {
        let long = String(repeating: "ü", count: 5000)
        let name = DeadFileName(id: .max, site: long, queue: long)
        #expect(".\(name.shared).part".utf8.count <= 255)
        #expect(name != DeadFileName(id: 1, site: long, queue: long))
        for other in ["x.json", "a-b-c.json", "a-b-7", ".a-b-7.json", "a-b-0.json", "README"] {
            #expect(DeadFileName(metadataFile: other) == nil, "\(other)")
        }
    }
}
