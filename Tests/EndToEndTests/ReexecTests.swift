// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// hostd itself is replaced while it works.
    @Suite(.timeLimit(.minutes(5))) struct ReexecTests {
        private static let targets = 5
        private static let workers = 2

        /// Another file of the same program: an ELF file may have more bytes than it says.
        private func replaceExecutable(of installation: Installation) throws {
            let next = installation.executable + ".new"
            try FileManager.default.copyItem(atPath: try ProcessRunner.product("hostd"), toPath: next)
            let file = try #require(FileHandle(forWritingAtPath: next))
            try file.seekToEnd()
            try file.write(contentsOf: Data("another version".utf8))
            try file.close()
            #expect(rename(next, installation.executable) == 0)
        }

        private func inode(_ path: String) -> UInt64? {
            var status = stat()
            return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
        }

        /// Those that don't run the file that lies there now.
        private func outdated(_ installation: Installation) -> [Int32] {
            let now = inode(installation.executable)
            return installation.processes().keys.filter { inode("/proc/\($0)/exe") != now }.sorted()
        }

        @Test(
            "A changed executable runs everywhere after a restart: same supervisor, no refusal, nothing lost or twice"
        )
        func underLoad() async throws {
            let settings = Installation.Settings(workers: Self.workers, hasConsole: true, ownsExecutable: true)
            let installation = try Installation(settings)
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start("--delay", "5")
            try await installation.start()
            try await installation.subscribe(receiver)
            let supervisor = try #require(installation.hostd?.pid)
            let producers = Producers(port: installation.stompPort)
            producers.start()
            for _ in 1...2 {
                let before = producers.figures.confirmed.count
                try await eventually("notices under way") { producers.figures.confirmed.count >= before + 50 }
                let earlier = Set(installation.processes().keys)
                try replaceExecutable(of: installation)
                let answer = try await installation.queuectl("restart")
                #expect(answer.contains("hostd is "), "\(answer)")
                try await eventually("the end of what ran before", within: .seconds(60)) {
                    outdated(installation).isEmpty && installation.processes().count == Self.workers + 3
                }
                #expect(Set(installation.processes().keys).intersection(earlier) == [supervisor])
                let processes = try await installation.json("status")["processes"].list
                #expect(processes.count == Self.workers + 3)
                #expect(processes.allSatisfy { $0["state"].text == "ready" })
                let after = producers.figures.confirmed.count
                try await eventually("notices after it") { producers.figures.confirmed.count >= after + 50 }
            }
            await producers.stop()
            let figures = producers.figures
            #expect(figures.refused.isEmpty, "\(figures.refused.prefix(3))")

            var (lost, twice) = (0, 0)
            for notice in figures.confirmed.sorted() {
                try await receiver.taken(Self.targets, notice: notice)
                let taken = receiver.taken(notice: notice)
                lost += Self.targets - taken.count
                // What was sent again for want of a receipt is two notices to the broker.
                if !figures.sentAgain.contains(notice) { twice += taken.values.reduce(0) { $0 + $1 - 1 } }
            }
            print(
                "upgrades=2 notices=\(figures.confirmed.count) lost=\(lost) twice=\(twice) connections lost=\(figures.lost) "
                    + "sent again=\(figures.sentAgain.count)"
            )
            #expect(lost == 0)
            #expect(twice == 0)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        enum Broken: String, CaseIterable, Sendable {
            case text = "this is no program\n"
            case fails = "#!/bin/sh\necho 'it has no legs' >&2\nexit 1\n"
            case silent = "#!/bin/sh\nexit 0\n"
        }

        @Test(
            "An executable that can't take over leaves the old one at work, and the answer says why",
            arguments: Broken.allCases
        )
        func broken(_ kind: Broken) async throws {
            let installation = try Installation(.init(workers: Self.workers, ownsExecutable: true))
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            let before = installation.processes().keys.sorted()
            try installation.directory.write(kind.rawValue, to: "hostd.new", mode: 0o700)
            #expect(rename(installation.directory.file("hostd.new"), installation.executable) == 0)
            let run = try await installation.queuectl(trying: ["restart"])
            #expect(run.exit == .status(1))
            #expect(run.errors.contains("the old one goes on"), "\(run.errors)")
            if kind == .fails { #expect(run.errors.contains("it has no legs"), "\(run.errors)") }
            #expect(installation.processes().keys.sorted() == before)
            try await installation.post(notice: 1)
            try await installation.delivered(Self.targets, ofNotice: 1)
            // Mended, it is taken.
            try replaceExecutable(of: installation)
            try await installation.queuectl("restart")
            try await eventually("the new version everywhere", within: .seconds(60)) { outdated(installation).isEmpty }
            #expect(try await installation.stop() == .status(0))
        }

        @Test("While hostd, and its console with it, is replaced, no HTTP client is refused")
        func console() async throws {
            let port = try FreePort.find()
            let settings = Installation.Settings(workers: 1, hasConsole: true, consolePort: port, ownsExecutable: true)
            let installation = try Installation(settings)
            try await installation.start()
            let before = installation.processes(role: "console")
            let scrapers = Scrapers(port: port)
            try await scrapers.run {
                try await eventually("answers before it") { scrapers.figures.answered >= 20 }
                try replaceExecutable(of: installation)
                try await installation.queuectl("restart")
                try await eventually("another console", within: .seconds(60)) {
                    outdated(installation).isEmpty && installation.processes(role: "console") != before
                }
                let answered = scrapers.figures.answered
                try await eventually("answers after it") { scrapers.figures.answered >= answered + 20 }
                let failed = scrapers.figures.failed
                #expect(failed.isEmpty, "\(failed.prefix(3))")
            }
            print("upgrades=1 answers of the console=\(scrapers.figures.answered)")
            #expect(installation.processes(role: "console").count == 1)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        @Test("kill -9 of the supervisor in the middle of it: a plain start finds everything in order")
        func killedHalfway() async throws {
            let installation = try Installation(.init(workers: Self.workers, ownsExecutable: true))
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start("--delay", "5")
            try await installation.start()
            try await installation.subscribe(receiver)
            for notice in 1...20 { try await installation.post(notice: notice) }
            let hostd = try #require(installation.hostd)
            try replaceExecutable(of: installation)
            hostd.signal(SIGUSR2)
            _ = try await hostd.line(containing: "hostd goes on as another version", of: hostd.errors)
            #expect(try await installation.stop(SIGKILL) == .signal(SIGKILL))
            try await installation.start()
            try await installation.whole(workers: Self.workers)
            #expect(installation.processes(role: "broker").count == 1)
            for notice in 1...20 { try await installation.delivered(Self.targets, ofNotice: notice) }
            try await eventually("the end of all orphans") { installation.processes().count == Self.workers + 2 }
            #expect(outdated(installation).isEmpty)
            #expect(try await installation.stop() == .status(0))
        }
    }
}
