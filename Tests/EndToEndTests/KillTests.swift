// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// kill -9 of each role at random moments of a fan-out: at least once to everybody, and twice only what was in flight
    /// in a worker that was killed.
    @Suite(.timeLimit(.minutes(5))) struct KillTests {
        enum Victim: String, CaseIterable, Sendable {
            case worker, broker, supervisor
        }

        enum Stage: Int, CaseIterable, Sendable {
            case expand = 1
            case deliver = 2
        }

        /// Of stage 1 two pages, and four times what one worker has in flight.
        private static let targets = 2000
        private static let workers = 2
        private static let kills = 2
        /// Items of one worker at a time: its credit for queue `ombout`.
        private static let credit = 512

        @Test(
            "kill -9 loses nothing, and repeats no more than was in flight in a killed worker",
            arguments: Victim.allCases,
            Stage.allCases
        )
        func killed(_ victim: Victim, _ stage: Stage) async throws {
            var random = SeededRandom(for: "killed(\(victim), stage \(stage.rawValue))")
            let installation = try Installation(.init(workers: Self.workers))
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start("--delay", "5")
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)

            for round in 0..<Self.kills {
                switch stage {
                case .expand:
                    // A random moment, not a wait for something: stage 1 takes some hundred milliseconds.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...200, using: &random)))
                case .deliver:
                    let part = Self.targets / (Self.kills + 1)
                    let moment = part * round + Int.random(in: 1...part, using: &random)
                    try await receiver.taken(moment, notice: 1)
                }
                try await kill(victim, of: installation, Int.random(in: 0..<Self.workers, using: &random))
                try await installation.whole(workers: Self.workers)
            }
            try await receiver.taken(Self.targets, notice: 1, within: .seconds(90))
            // Exactly so many: each target was staged once.
            try await installation.delivered(Self.targets, ofNotice: 1)
            let sums = try await installation.targets(ofNotice: 1)
            #expect(sums == Installation.Targets(delivered: Self.targets))

            let taken = receiver.taken(notice: 1)
            let twice = taken.values.reduce(0) { $0 + $1 - 1 }
            let lost = Self.targets - taken.count
            print("kind=\(victim) stage=\(stage.rawValue) rounds=\(Self.kills) lost=\(lost) twice=\(twice)")
            #expect(lost == 0)
            // The workers outlive broker and supervisor, and keep what they have.
            #expect(twice <= (victim == .worker ? Self.credit * Self.kills : 0))
            #expect(try await receiver.counts()["invalid"].int == 0)

            // No orphan, and one broker on the store.
            try await eventually("the end of all orphans") { installation.processes().count == Self.workers + 2 }
            #expect(installation.processes(role: "broker").count == 1)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        /// Only pids that this installation's own mark was found on.
        private func kill(_ victim: Victim, of installation: Installation, _ index: Int) async throws {
            switch victim {
            case .worker, .broker:
                let pids = installation.processes(role: victim.rawValue)
                guard let pid = pids.dropFirst(index % max(1, pids.count)).first else {
                    throw TestSupportError.missing("a \(victim) to kill")
                }
                #expect(Glibc.kill(pid, SIGKILL) == 0)
                try await eventually("the end of \(victim) \(pid)") { installation.processes()[pid] == nil }
            case .supervisor:
                #expect(try await installation.stop(SIGKILL) == .signal(SIGKILL))
                try await installation.start()
                #expect(installation.processes(role: "broker").count == 1)
            }
        }
    }
}
