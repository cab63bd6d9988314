// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// Of both runs together.
private let chaosSeconds = ProcessInfo.processInfo.environment["HOSTD_CHAOS_SECONDS"].flatMap(Double.init) ?? 180

extension EndToEnd {
    /// Random faults under a steady load, one after the other; HOSTD_TEST_SEED repeats a run, HOSTD_CHAOS_SECONDS says how
    /// long both together last (`make soak`: half an hour).
    @Suite(.timeLimit(.minutes(Int(chaosSeconds) / 60 + 15))) struct ChaosTests {
        enum Fault: String, CaseIterable, Sendable {
            case killWorker, killBroker, killConsole, killSupervisor
            case replace, restart, reload, pause, resume
        }

        /// What a run may have in store.
        enum Mood: String, CaseIterable, Sendable {
            /// No kill of a worker: nothing at all may come twice.
            case gentle
            case rough

            var faults: [Fault] { Fault.allCases.filter { self == .rough || $0 != .killWorker } }
            /// Of the whole time.
            var share: Double { self == .gentle ? 0.3 : 0.7 }
        }

        private static let targets = 50
        private static let workers = 2

        @Test(
            "Whatever happens meanwhile, each target gets each notice: once, but for what a worker's kill interrupted",
            arguments: Mood.allCases
        )
        func chaos(mood: Mood) async throws {
            var random = SeededRandom(for: "chaos(\(mood))")
            let installation = try Installation(.init(workers: Self.workers, hasConsole: true))
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start("--delay", "5")
            try await installation.start()
            try await installation.subscribe(receiver)

            var faults: [Fault: Int] = [:]
            var interruptions = Interruptions()
            var notices = 0
            let end = ContinuousClock.now + .seconds(chaosSeconds * mood.share)
            while ContinuousClock.now < end {
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    notices += 1
                    try await post(notices, on: installation)
                }
                // A random moment of the fan-out.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...300, using: &random)))
                let fault = mood.faults.randomElement(using: &random) ?? .reload
                faults[fault, default: 0] += 1
                try await commit(fault, on: installation, &interruptions, using: &random)
                try await answers(installation)
            }
            try await installation.queuectl("resume", "ombout")
            try await installation.queuectl("resume", "omb")

            var (lost, twice) = (0, 0)
            for notice in 1...max(1, notices) {
                try await receiver.taken(Self.targets, notice: notice, within: .seconds(120))
                try await installation.delivered(Self.targets, ofNotice: notice, within: .seconds(120))
                let taken = receiver.taken(notice: notice)
                lost += Self.targets - taken.count
                twice += taken.values.reduce(0) { $0 + $1 - 1 }
            }
            let dead = try await installation.json("dead", "list").list
            let unexcused = interruptions.unexcused(receiver.arrivals())
            let counts = faults.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
            print(
                "mood=\(mood) seed=\(random.seed) notices=\(notices) lost=\(lost) twice=\(twice) "
                    + "without reason=\(unexcused.count) dead=\(dead.count) \(counts)"
            )
            #expect(lost == 0)
            #expect(unexcused.isEmpty, "\(unexcused.prefix(5))")
            if mood == .gentle { #expect(twice == 0) }
            #expect(dead.isEmpty, "\(dead)")
            #expect(try await receiver.counts()["invalid"].int == 0)

            let status = try await installation.json("status")
            #expect(status["hostd"]["state"].text == "running")
            try await installation.whole(workers: Self.workers, hasConsole: true)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        private func commit(
            _ fault: Fault,
            on installation: Installation,
            _ interruptions: inout Interruptions,
            using random: inout SeededRandom
        ) async throws {
            switch fault {
            case .killWorker:
                let victim = installation.processes(role: "worker").randomElement(using: &random)
                try await interruptions.note("worker", in: installation) { victim.map(kill) }
            // Their workers keep what they have: these explain no repetition.
            case .killBroker: installation.processes(role: "broker").first.map(kill)
            case .killConsole: installation.processes(role: "console").first.map(kill)
            case .killSupervisor:
                let exit = try await installation.stop(SIGKILL)
                #expect(exit == .signal(SIGKILL))
                try await installation.start()
            case .replace:
                try replacePlugin(installation)
                try await retried(installation, ["restart"])
            case .restart: try await retried(installation, ["restart"])
            case .reload: try await retried(installation, ["update", "-s", Installation.site])
            case .pause: try await retried(installation, ["pause", Bool.random(using: &random) ? "ombout" : "omb"])
            case .resume:
                for queue in ["omb", "ombout"] { try await retried(installation, ["resume", queue]) }
            }
        }

        /// Only pids that this installation's own mark was found on; one that has just gone is as good as killed.
        private func kill(_ pid: Int32) { _ = Glibc.kill(pid, SIGKILL) }

        /// As `cp` does it: in place.
        private func replacePlugin(_ installation: Installation) throws {
            let bytes = try Data(contentsOf: URL(filePath: try ProcessRunner.product("libomb.so")))
            try bytes.write(to: URL(filePath: installation.pluginsFolder + "/omb.so"))
        }

        /// A command may come while something is being repaired; it is to be taken in the end.
        private func retried(_ installation: Installation, _ command: [String]) async throws {
            try await eventually("\(command) is taken", within: .seconds(60), every: .milliseconds(200)) {
                try await installation.queuectl(trying: command).exit == .status(0)
            }
        }

        /// One that is sent into a gap may be there without its sender knowing: its second copy's items are the first one's.
        private func post(_ notice: Int, on installation: Installation) async throws {
            try await eventually("notice \(notice) is taken", within: .seconds(60), every: .milliseconds(100)) {
                try await installation.isTaken(notice: notice)
            }
        }

        private func answers(_ installation: Installation) async throws {
            try await eventually("a broker that answers", within: .seconds(60), every: .milliseconds(20)) {
                guard let processes = try? await installation.json("status")["processes"].list else { return false }
                return processes.contains { $0["role"].text == "broker" && $0["state"].text == "ready" }
            }
        }
    }
}
