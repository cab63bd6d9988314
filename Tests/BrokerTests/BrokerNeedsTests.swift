// SPDX-License-Identifier: Apache-2.0
import QueueStore
import Testing

@testable import Broker

@Suite struct BrokerNeedsTests {
    @Test("Nothing is wrong: nothing is told, nor of a few targets that are down") func well() {
        var needs = BrokerNeeds()
        needs.openLanes = 99
        needs.pauses = [Pause(queue: "out", site: "alice"): false]
        #expect(needs.sentences.isEmpty)
    }

    @Test("Each kind has its sentence, with what to do, the worst first") func all() {
        var needs = BrokerNeeds()
        needs.isStoreFull = true
        needs.openLanes = 1200
        needs.heldQueues = [("out", "alice", "HTTP 429")]
        needs.heldLanes = 3
        needs.firstHeld = BrokerNeeds.Lane(target: "http://t/", site: "bob", reason: "HTTP 401: credentials refused")
        needs.dead = 1200
        needs.diedLately = 5
        needs.pauses = [Pause(queue: "out", site: ""): true, Pause(queue: "in", site: "bob"): true]
        needs.blocks = [("*.example", ""), ("a.example", "bob")]
        let found = needs.sentences
        #expect(
            found.dropFirst().elementsEqual([
                "1,200 targets fail at once: look at this machine's network first.",
                "Queue out of site alice is held by its plugin: HTTP 429.",
                "Target http://t/ of site bob is held (and 2 more): HTTP 401: credentials refused.",
                "1,200 dead letters, 5 of them in the last hour: queuectl dead list.",
                "Queue in of site bob is paused: queuectl resume in -s bob.",
                "Queue out is paused: queuectl resume out.",
                "Deliveries to *.example are blocked: queuectl target '*.example' unblock.",
                "Deliveries to a.example are blocked for site bob: queuectl target 'a.example' unblock -s bob.",
            ])
        )
        #expect(found.first?.contains("disk full") == true)
    }

    @Test("A hundred of a kind are not a hundred lines") func many() {
        var needs = BrokerNeeds()
        needs.blocks = (0..<100).map { ("h\($0).example", "") }
        #expect(needs.sentences.count == 11)
        #expect(needs.sentences.last == "90 more targets are blocked: queuectl target blocks.")
    }
}
