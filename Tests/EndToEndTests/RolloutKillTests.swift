// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// The supervisor is killed between two steps of a roll-out.
    @Suite(.timeLimit(.minutes(6))) struct RolloutKillTests {
        private static let targets = 20
        private static let workers = 2
        private static let rounds = 2

        /// Where the roll-out is.
        enum Step: String, CaseIterable, Sendable {
            /// The new file is there: seen, copied, tried, or none of it yet.
            case seen
            case canary
            /// The rest of the new generation starts, or the old one drains.
            case drain
        }

        @Test(
            "After kill -9 of the supervisor all end by themselves; a start runs one generation, of the file that is there",
            arguments: Step.allCases
        )
        func killed(_ step: Step) async throws {
            var random = SeededRandom(for: "RolloutKillTests.killed(\(step))")
            let installation = try Installation(.init(workers: Self.workers, canary: "1s"))
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            // An old worker's drain takes as long as what it has in flight.
            try await receiver.start("--delay", "100")
            try await installation.start()
            try await installation.subscribe(receiver)
            let load = PatientLoad(on: installation)
            try await eventually("the first deliveries", within: .seconds(60)) { !receiver.arrivals().isEmpty }

            let original = try Data(contentsOf: URL(filePath: installation.pluginsFolder + "/omb.so"))
            var interruptions = Interruptions()
            for round in 1...Self.rounds {
                let hostd = try #require(installation.hostd)
                // Bytes behind the last section: another file, the same code.
                let next = original + Data("\(step) \(round)\n".utf8)
                try next.write(to: URL(filePath: installation.pluginsFolder + "/omb.so"))
                let (line, longest) =
                    switch step {
                    case .seen: ("", 1500)
                    case .canary: ("the canary is ready", 900)
                    case .drain: ("the canary works, the rest of its generation starts", 400)
                    }
                if !line.isEmpty {
                    _ = try await hostd.line(containing: line, of: hostd.errors, within: .seconds(60))
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...longest, using: &random)))
                try await interruptions.note("supervisor", in: installation) {
                    let exit = try await installation.stop(SIGKILL)
                    #expect(exit == .signal(SIGKILL))
                }
                // Nobody tells them to.
                try await eventually("the end of all orphans", within: .seconds(60)) {
                    installation.processes().isEmpty
                }
                try await installation.start()
                try await installation.whole(workers: Self.workers)
                let running = try await installation.json("status")["processes"].list.filter {
                    $0["role"].text == "worker"
                }
                #expect(Set(running.compactMap { $0["generation"].int }).count == 1, "\(running)")
                for pid in installation.processes(role: "worker") { #expect(try code(of: pid) == next) }
                let row = try await installation.json("plugins").list.first { $0["file"].text == "omb.so" }
                #expect(row?["rollout"] == .null && row?["reason"] == .null, "\(String(describing: row))")
            }

            let notices = try await load.stop()
            for notice in 1...max(1, notices) {
                try await installation.delivered(Self.targets, ofNotice: notice, within: .seconds(120))
            }
            let arrivals = receiver.arrivals()
            let lost = notices * Self.targets - arrivals.count
            let twice = arrivals.values.reduce(0) { $0 + $1.count - 1 }
            let unexcused = interruptions.unexcused(arrivals)
            print(
                "step=\(step) kills=\(Self.rounds) notices=\(notices) targets=\(Self.targets) lost=\(lost) "
                    + "twice=\(twice) without reason=\(unexcused.count)"
            )
            #expect(lost == 0)
            #expect(unexcused.isEmpty, "\(unexcused.prefix(5))")
            #expect(try await installation.json("dead", "list").list.isEmpty)
            // What was left of the roll-outs is in nobody's way.
            try await installation.queuectl("restart")
            try await installation.whole(workers: Self.workers)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        /// The bytes of the plugin that a worker has loaded.
        private func code(of pid: Int32) throws -> Data {
            let maps = try String(contentsOfFile: "/proc/\(pid)/maps", encoding: .utf8)
            let paths = Set(
                maps.split(separator: "\n").compactMap { line in
                    line.split(separator: " ").last.map(String.init)
                }.filter { $0.contains("/plugins/omb-") }
            )
            #expect(paths.count == 1, "\(paths)")
            return try Data(contentsOf: URL(filePath: try #require(paths.first)))
        }
    }
}

/// Posts notices, each until it is taken, whatever becomes of hostd meanwhile.
private final class PatientLoad: Sendable {
    private let task: Task<Int, any Error>

    init(on installation: Installation) {
        task = Task {
            var notices = 0
            while !Task.isCancelled {
                notices += 1
                while try await !installation.isTaken(notice: notices) {
                    guard !Task.isCancelled else { return notices - 1 }
                    try? await Task.sleep(for: .milliseconds(100))
                }
                try? await Task.sleep(for: .milliseconds(150))
            }
            return notices
        }
    }

    deinit { task.cancel() }

    /// How many there were.
    func stop() async throws -> Int {
        task.cancel()
        return try await task.value
    }
}
