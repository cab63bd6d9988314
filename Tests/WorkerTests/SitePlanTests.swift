// SPDX-License-Identifier: Apache-2.0
import PluginHost
import QueueCore
import Testing

@testable import Worker

@Suite struct SitePlanTests {
    private static func settings(_ server: String) -> SiteSettings {
        SiteSettings(
            nickname: SiteName(unchecked: "s"),
            server: server,
            name: "s",
            root: "http://\(server)/",
            values: [:]
        )
    }

    private static let old = settings("old")
    private static let new = settings("new")

    struct Move: Sendable {
        let inputs: [SitePlan.Input]
        let actions: [SitePlan.Action]
        let end: SitePlan.State
    }

    static let moves: [Move] = [
        Move(inputs: [.wanted(old)], actions: [.open(old)], end: .open(old)),
        Move(inputs: [.wanted(old), .wanted(old)], actions: [.open(old), .none], end: .open(old)),
        Move(inputs: [.wanted(old), .wanted(new)], actions: [.open(old), .reconfigure(new)], end: .open(new)),
        Move(
            inputs: [.wanted(old), .wanted(new), .cannotReconfigure, .closed],
            actions: [.open(old), .reconfigure(new), .close, .open(new)],
            end: .open(new)
        ),
        // A second change while it drains: opened once, with the last.
        Move(
            inputs: [.wanted(old), .wanted(new), .cannotReconfigure, .wanted(old), .closed],
            actions: [.open(old), .reconfigure(new), .close, .none, .open(old)],
            end: .open(old)
        ),
        Move(
            inputs: [.wanted(old), .wanted(new), .cannotReconfigure, .unwanted, .closed],
            actions: [.open(old), .reconfigure(new), .close, .none, .forget],
            end: .absent
        ),
        Move(inputs: [.wanted(old), .unwanted, .closed], actions: [.open(old), .close, .forget], end: .absent),
        Move(
            inputs: [.wanted(old), .unwanted, .wanted(new), .closed],
            actions: [.open(old), .close, .none, .open(new)],
            end: .open(new)
        ),
        Move(inputs: [.wanted(old), .failed, .retry], actions: [.open(old), .none, .open(old)], end: .open(old)),
        Move(
            inputs: [.wanted(old), .failed, .wanted(new)],
            actions: [.open(old), .none, .open(new)],
            end: .open(new)
        ),
        Move(inputs: [.wanted(old), .failed, .unwanted], actions: [.open(old), .none, .forget], end: .absent),
    ]

    @Test("Legal moves", arguments: moves)
    func legal(_ move: Move) {
        var plan = SitePlan()
        var actions: [SitePlan.Action] = []
        for input in move.inputs { actions.append(plan.handle(input)) }
        #expect(actions == move.actions)
        #expect(plan.state == move.end)
    }

    @Test(
        "Illegal moves change nothing",
        arguments: [
            ([], .unwanted), ([], .failed), ([], .cannotReconfigure), ([], .closed), ([], .retry),
            ([.wanted(old)], .closed), ([.wanted(old)], .retry),
            ([.wanted(old), .failed], .failed), ([.wanted(old), .failed], .closed),
            ([.wanted(old), .failed], .cannotReconfigure), ([.wanted(old), .unwanted], .failed),
            ([.wanted(old), .unwanted], .retry), ([.wanted(old), .unwanted], .cannotReconfigure),
        ] as [([SitePlan.Input], SitePlan.Input)]
    )
    func illegal(before: [SitePlan.Input], input: SitePlan.Input) {
        var plan = SitePlan()
        for input in before { _ = plan.handle(input) }
        let state = plan
        let action = plan.handle(input)
        #expect(action == .none)
        #expect(plan == state)
    }
}
