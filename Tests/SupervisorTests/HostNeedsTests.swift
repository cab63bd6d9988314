// SPDX-License-Identifier: Apache-2.0
import Control
import Testing

@testable import Supervisor

@Suite struct HostNeedsTests {
    private static func row(_ members: [String: String]) -> JSONValue { .object(members.mapValues(JSONValue.string)) }

    @Test("A plugin that can't run, one that was rolled back, a refused configuration and a site's error are told")
    func all() {
        let needs = HostNeeds(
            plugins: .array([
                Self.row(["file": "new.so", "state": "refused", "reason": "new.so: wants ABI 1.7"]),
                Self.row(["file": "omb.so", "state": "loaded", "reason": "the old code goes on: no entry"]),
                Self.row(["file": "off.so", "state": "disabled", "reason": "no site enables it"]),
                Self.row(["file": "well.so", "state": "loaded"]),
            ]),
            sites: .array([
                Self.row(["nickname": "alice", "error": "omb/0: no secret"]), Self.row(["nickname": "bob"]),
                Self.row(["nickname": "carol", "error": "sites.d/carol.yaml:3: x"]),
            ]),
            configErrors: ["sites.d/carol.yaml:3: x", "hostd.yaml:1: y"]
        )
        #expect(
            needs.sentences == [
                "Plugin new.so can't run: wants ABI 1.7.", "Plugin omb.so: the old code goes on: no entry.",
                "The changed configuration was refused, the old one is in force: sites.d/carol.yaml:3: x "
                    + "(and 1 more: hostd --check).",
                "Site alice: omb/0: no secret.",
            ]
        )
    }

    @Test("The broker's needs come behind the supervisor's; its silence comes first")
    func merged() {
        let needs = HostNeeds(
            plugins: .array([Self.row(["file": "a.so", "state": "failed", "reason": "x"])]),
            sites: .array([]),
            configErrors: []
        )
        let answered = needs.status(
            own: ["hostd": .null],
            brokers: .object(["needs": .array([.string("1 dead letter.")]), "queues": .array([.int(1)])])
        )
        #expect(answered["needs"] == .array([.string("Plugin a.so can't run: x."), .string("1 dead letter.")]))
        #expect(answered["queues"] == .array([.int(1)]))
        let silent = needs.status(own: [:], brokers: nil)
        #expect(silent["needs"]?.array?.count == 2)
        #expect(silent["needs"]?.array?.first?.string?.contains("broker") == true)
        #expect(silent["lanes"] == .array([]))
    }

    @Test("Where nothing is wrong nothing is told") func well() {
        let needs = HostNeeds(plugins: .array([]), sites: .array([]), configErrors: [])
        #expect(needs.status(own: [:], brokers: .object([:]))["needs"] == .array([]))
    }
}
