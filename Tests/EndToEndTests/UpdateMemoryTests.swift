// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// Updates leave nothing behind.
    ///
    /// `make bench ROWS=updates` does it 10,000 times over 1,000 sites.
    @Suite struct UpdateMemoryTests {
        private static let sites = 100
        private static let updates = 600
        private static let step = 50
        /// Beyond noise of the allocators, far below what a leak of a site's settings for each update and site would be.
        private static let growth = 12 << 20

        private func name(_ number: Int) -> String { "site\(number % Self.sites)" }

        private func write(_ installation: Installation, _ number: Int, timeout: Int) throws {
            try installation.writeSite(name(number), plugins: ["omb": "{ enabled: true, timeout: \(timeout) }"])
        }

        private func residents(_ installation: Installation) async throws -> [String: Int] {
            var residents: [String: Int] = [:]
            for process in try await installation.json("status")["processes"].list {
                residents[process["role"].text ?? "", default: 0] += process["rss_bytes"].int ?? 0
            }
            return residents
        }

        @Test("600 updates over 100 sites leave the memory of supervisor, broker and worker flat")
        func flat() async throws {
            let installation = try Installation(.init(workers: 1))
            for number in 0..<Self.sites { try write(installation, number, timeout: 5) }
            try await installation.start()
            var curve: [[String: Int]] = []
            for first in stride(from: 0, to: Self.updates, by: Self.step) {
                let numbers = first..<(first + Self.step)
                for number in numbers { try write(installation, number, timeout: 6 + first / Self.sites) }
                let arguments = numbers.flatMap { ["-s", name($0)] }
                let run = try await installation.queuectl(trying: ["update"] + arguments)
                #expect(run.exit == .status(0), "\(run.errors)")
                #expect(run.output.split(separator: "\n").count == Self.step)
                curve.append(try await residents(installation))
            }
            for role in ["supervisor", "broker", "worker"] {
                let figures = curve.map { $0[role] ?? 0 }
                print("\(role), KiB after each \(Self.step) updates:", figures.map { $0 / 1024 })
                // The first round fills caches.
                let warm = figures[Self.sites / Self.step * 2]
                #expect((figures.last ?? 0) - warm < Self.growth, "\(role): \(figures)")
            }
            #expect(try await installation.stop() == .status(0))
        }
    }
}
