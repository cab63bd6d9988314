// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport

/// Kills that end deliveries, each with what hadn't ended then: the measure of what a target may get twice.
struct Interruptions: Sendable {
    struct Kill: Sendable {
        /// What was killed.
        var victim: String
        /// Unix milliseconds, before the kill and after it.
        var began: Int64
        var ended: Int64
        /// Deliveries that the store didn't have as ended, "PATH NOTICE" each.
        var unsettled: Set<String>

        /// A request that was on its way is taken by then, and a handler that outlived the kill has sent its own.
        static let reach: Int64 = 1000

        /// It was sent when the kill came, and its end wasn't on disk: so it had to be sent again, later.
        func excuses(_ delivery: String, _ earlier: Int64, _ later: Int64) -> Bool {
            unsettled.contains(delivery) && earlier <= ended + Self.reach && later >= began
        }
    }

    private(set) var kills: [Kill] = []

    init(_ kills: [Kill] = []) { self.kills = kills }

    /// Holds the broker still, so that nothing ends meanwhile, notes what hasn't ended, kills, and lets it go on.
    mutating func note(
        _ name: String,
        in installation: Installation,
        kill: () async throws -> Void
    ) async throws {
        var broker: Int32 = 0
        try await eventually("one broker") {
            let pids = installation.processes(role: "broker")
            broker = pids.first ?? 0
            return pids.count == 1
        }
        _ = Glibc.kill(broker, SIGSTOP)
        defer { _ = Glibc.kill(broker, SIGCONT) }
        try await eventually("the broker stands still") { Self.isStopped(broker) }
        let began = Self.now
        let run = try await ProcessRunner.run(
            PythonFixture.interpreter,
            [PythonFixture.path("unsettled.py"), installation.directory.file("var/queue.db")]
        )
        guard run.exit == .status(0) else { throw TestSupportError.missing("the store's items: \(run.errors)") }
        try await kill()
        kills.append(
            Kill(
                victim: name,
                began: began,
                ended: Self.now,
                unsettled: Set(run.output.split(separator: "\n").map(String.init))
            )
        )
    }

    /// What came more often than the kills explain: each of them interrupts a delivery once.
    func unexcused(_ arrivals: [String: [Int64]]) -> [String] {
        arrivals.sorted { $0.key < $1.key }.flatMap { delivery, moments in
            let moments = moments.sorted()
            var rest = kills
            return zip(moments, moments.dropFirst()).compactMap { earlier, later in
                guard let index = rest.firstIndex(where: { $0.excuses(delivery, earlier, later) }) else {
                    return "\(delivery) at \(earlier) and again at \(later), \(around(delivery, earlier, later))"
                }
                rest.remove(at: index)
                return nil
            }
        }
    }

    /// The kills about that time, in milliseconds after the first arrival.
    private func around(_ delivery: String, _ earlier: Int64, _ later: Int64) -> String {
        let near = kills.filter { $0.ended >= earlier - 5 * Kill.reach && $0.began <= later + Kill.reach }
        return near.map { kill in
            "\(kill.victim) killed at \(kill.began - earlier)...\(kill.ended - earlier) with it "
                + (kill.unsettled.contains(delivery) ? "unsettled" : "settled or not there yet")
        }.joined(separator: ", ")
    }

    private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    /// All of its threads; one that is gone by now too.
    private static func isStopped(_ pid: Int32) -> Bool {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.allSatisfy { task in
            let text = FileManager.default.contents(atPath: "/proc/\(pid)/task/\(task)/stat") ?? Data()
            // "PID (NAME) STATE ...": the name may have blanks.
            let state = String(decoding: text, as: UTF8.self).split(separator: ")").last?.first { $0 != " " }
            return state.map { "TtZX".contains($0) } ?? true
        }
    }
}
