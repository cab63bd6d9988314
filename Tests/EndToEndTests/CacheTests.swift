// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// `cache.servers` with the real daemon and a real memcached: Tests/Fixtures/plugins/counting.c counts in all workers.
    @Suite(.timeLimit(.minutes(5))) struct CacheTests {
        private static let workers = 3

        /// One answer of the cache, as the plugin wrote it down.
        private struct Line: Sendable {
            let worker: Int
            let site: String
            let status: Int
            let number: Int
        }

        private static func installation(_ servers: [String]) async throws -> Installation {
            let installation = try Installation(
                .init(workers: workers, more: servers.isEmpty ? [] : ["cache: { servers: \(servers) }"], plugins: [:])
            )
            for site in [Installation.site, "other"] { try writeSite(site, in: installation) }
            try await installation.installC("counting", as: "counting.so")
            try await installation.start()
            return installation
        }

        private static func writeSite(_ name: String, in installation: Installation) throws {
            let out = installation.directory.file("out")
            try installation.writeSite(name, plugins: ["counting": "{ enabled: true, out: \"\(out)\" }"])
        }

        private static func lines(_ installation: Installation) -> [Line] {
            installation.minimalLines.compactMap { line in
                let words = line.split(separator: " ")
                guard words.count == 4, let worker = Int(words[0]), let status = Int(words[2]),
                    let number = Int(words[3])
                else { return nil }
                return Line(worker: worker, site: String(words[1]), status: status, number: number)
            }
        }

        /// Enqueues so many items for a site, and waits for all their lines: those are returned.
        private static func count(
            _ items: Int,
            site: String = Installation.site,
            in installation: Installation
        ) async throws -> [Line] {
            let before = lines(installation).count
            let frames = (0..<items).map { "\($0)\n" }.joined()
            try await installation.queuectl("enqueue", "-s", site, "--jsonl", "count", "-", input: frames)
            try await eventually("\(items) answers", within: .seconds(60), every: .milliseconds(20)) {
                lines(installation).count >= before + items
            }
            return Array(lines(installation).dropFirst(before))
        }

        @Test("All workers count in one counter and lose nothing, over one connection each, whatever else happens")
        func shared() async throws {
            let memcached = try await Memcached()
            let installation = try await Self.installation(["127.0.0.1:\(memcached.port)"])
            // Each worker has had its first item, and with it its connection.
            var own: [Line] = []
            try await eventually("answers to all workers", within: .seconds(60)) {
                own += try await Self.count(200, in: installation)
                return Set(own.map(\.worker)).count == Self.workers
            }
            let connections = try #require(try await memcached.statistic("total_connections"))

            // Two sites in turns, a reload, a changed site, and one that goes and comes back.
            var others: [Line] = []
            for _ in 0..<5 {
                own += try await Self.count(100, in: installation)
                others += try await Self.count(100, site: "other", in: installation)
            }
            try await installation.queuectl("update")
            try Self.writeSite("third", in: installation)
            try await installation.queuectl("update", "-s", "third")
            let third = try await Self.count(50, site: "third", in: installation)
            try FileManager.default.removeItem(atPath: installation.directory.file("sites.d/third.yaml"))
            try await installation.queuectl("update", "-s", "third")
            installation.hostd?.signal(SIGHUP)
            own += try await Self.count(500, in: installation)
            others += try await Self.count(500, site: "other", in: installation)

            for lines in [own, others, third] {
                #expect(lines.allSatisfy { $0.status == 0 })
                #expect(lines.map(\.number).sorted() == Array(1...lines.count))
            }
            let servedByAll = Set(own.map(\.worker)).union(others.map(\.worker))
            #expect(servedByAll.count == Self.workers)
            // The second look is a connection, too.
            #expect(try await memcached.statistic("total_connections") == connections + 1)
            #expect(try await memcached.statistic("curr_connections").map { $0 >= Self.workers } == true)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("While memcached is dead, or hangs, each item ends with an error; when it is back the count goes on")
        func outage() async throws {
            let memcached = try await Memcached()
            let installation = try await Self.installation(["127.0.0.1:\(memcached.port)"])
            #expect(try await Self.count(100, in: installation).allSatisfy { $0.status == 0 })
            try await memcached.kill()
            #expect(try await Self.count(200, in: installation).allSatisfy { $0.status != 0 })
            try await memcached.start()
            let first = try await Self.back(in: installation)
            let lines = try await Self.count(300, in: installation)
            // A server that was restarted has forgotten the counter: it begins anew, and loses nothing from then on.
            #expect(lines.map(\.number).sorted() == Array(first + 1...first + 300))

            try await memcached.stop()
            #expect(try await Self.count(200, in: installation).allSatisfy { $0.status != 0 })
            memcached.signal(SIGCONT)
            _ = try await Self.back(in: installation)
            // No handler was ended at its deadline, no worker with it.
            #expect(Set(Self.lines(installation).map(\.worker)).count <= Self.workers)
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        /// Waits until every worker counts again (each has its own time limit for the server); the number it came to.
        private static func back(in installation: Installation) async throws -> Int {
            var number = 0
            try await eventually("the counter's return", within: .seconds(60), every: .milliseconds(200)) {
                let lines = try await count(60, in: installation)
                number = lines.map(\.number).max() ?? 0
                return lines.allSatisfy { $0.status == 0 } && Set(lines.map(\.worker)).count == workers
            }
            return number
        }

        @Test("Without servers each worker has a counter of its own")
        func perWorker() async throws {
            let installation = try await Self.installation([])
            var lines: [Line] = []
            try await eventually("answers to all workers", within: .seconds(60)) {
                lines += try await Self.count(200, in: installation)
                return Set(lines.map(\.worker)).count == Self.workers
            }
            #expect(lines.allSatisfy { $0.status == 0 })
            for (worker, own) in Dictionary(grouping: lines, by: \.worker) {
                #expect(own.map(\.number).sorted() == Array(1...own.count), "\(worker)")
            }
            #expect(try await installation.stop() == .status(0))
        }
    }
}
