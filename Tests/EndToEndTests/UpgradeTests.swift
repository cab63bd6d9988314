// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Plugins are replaced while notices go out.
    @Suite(.timeLimit(.minutes(6))) struct UpgradeTests {
        private static let upgrades = 20
        private static let targets = 20

        private static func row(_ installation: Installation, _ file: String) async throws -> JSON {
            try await installation.json("plugins").list.first { $0["file"].text == file } ?? .null
        }

        @Test("20 upgrades under load, by cp in place and by rename: each delivery arrives exactly once")
        func upgrades() async throws {
            let installation = try Installation(.init(workers: 2, canary: "1s"))
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start("--delay", "5")
            try await installation.start()
            try await installation.subscribe(receiver)
            let load = SteadyLoad(port: installation.stompPort, queue: "notice", every: .milliseconds(150)) {
                Installation.notice($0)
            }
            let pause = PauseMeter(receiver.log)
            try await eventually("the first deliveries") { !receiver.takenLines().isEmpty }

            let original = try Data(contentsOf: URL(filePath: installation.pluginsFolder + "/omb.so"))
            for upgrade in 1...Self.upgrades {
                // Bytes behind the last section: another file, the same code.
                let next = original + Data("upgrade \(upgrade)\n".utf8)
                try await Self.install(next, in: installation, byRename: upgrade % 2 == 0)
                try await eventually("generation \(upgrade + 1)", within: .seconds(60), every: .milliseconds(200)) {
                    let row = try await Self.row(installation, "omb.so")
                    return row["generation"].int == upgrade + 1 && row["rollout"] == .null
                }
            }
            #expect(try await Self.row(installation, "omb.so")["reason"] == .null)
            let longest = await pause.stop()
            let notices = try await load.stop()
            try await eventually("all deliveries", within: .seconds(60), every: .milliseconds(100)) {
                receiver.takenLines().count >= notices * Self.targets
            }
            // Exactly so many: what is on its way a second time would come now.
            try await installation.delivered(Self.targets, ofNotice: notices)
            try await installation.whole(workers: 2)
            let taken = receiver.takenLines()
            let lost = notices * Self.targets - taken.count
            let twice = taken.values.reduce(0) { $0 + $1 - 1 }
            print(
                "upgrades=\(Self.upgrades) notices=\(notices) targets=\(Self.targets) lost=\(lost) twice=\(twice)",
                "longest_pause=\(longest)"
            )
            #expect(lost == 0)
            #expect(twice == 0)
            #expect(try await receiver.counts()["invalid"].int == 0)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        private static func install(_ bytes: Data, in installation: Installation, byRename: Bool) async throws {
            let path = installation.pluginsFolder + "/omb.so"
            let source = installation.directory.file("next.so")
            try bytes.write(to: URL(filePath: source))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: source)
            let command = byRename ? "mv" : "cp"
            let run = try await ProcessRunner.run(command, [source, path])
            guard run.exit == .status(0) else { throw TestSupportError.cannotCreate(path, reason: run.errors) }
        }

        // MARK: A bad version

        /// What a bad version of minimal.c does with each line of stage 2.
        enum Defect: String, CaseIterable, Sendable {
            case fails = #"return give_up(out, HOSTD_RETRY, HOSTD_R_OTHER, "this version is broken")"#
            case aborts = "abort()"
        }

        @Test("A bad version under load is rolled back, says why, and loses nothing", arguments: Defect.allCases)
        func rollback(_ defect: Defect) async throws {
            let installation = try Installation(.init(workers: 2, canary: "1h", plugins: [:]))
            let out = installation.directory.file("out")
            try installation.writeMinimalSite()
            try await installation.installC("minimal", as: "minimal.so")
            try await installation.start()
            let hostd = try #require(installation.hostd)
            let linesEach = 10
            let load = SteadyLoad(port: installation.stompPort, queue: "demo", every: .milliseconds(50)) { id in
                (1...linesEach).map { "line \(id)-\($0)" }.joined(separator: "\n")
            }
            try await eventually("a hundred lines by the old version") { Self.lines(out).count >= 100 }

            let start = ContinuousClock.now
            try await Self.installVersion("2.0.0", defect, in: installation)
            let installed = ContinuousClock.now - start
            try await eventually("the roll-back", within: .seconds(60), every: .milliseconds(100)) {
                try await Self.row(installation, "minimal.so")["reason"].text?.hasPrefix("the old code goes on: ")
                    == true
            }
            let time = ContinuousClock.now - start - installed
            let row = try await Self.row(installation, "minimal.so")
            #expect(row["version"].text == "1.0.0" && row["generation"].int == 1)
            let reason = try #require(row["reason"].text)
            #expect(reason.contains(defect == .fails ? "deliveries failed" : "signal 6 (Aborted)"), "\(reason)")
            _ = try await hostd.line(containing: "new generation undone", of: hostd.errors)
            if defect == .aborts {
                let line = try await hostd.line(containing: "a worker's link ended", of: hostd.errors)
                #expect(line.contains("demo/demoout (inside)") && line.contains("2.0.0"), "\(line)")
            }
            let harmed = Set(Self.lines(out + ".bad")).count
            #expect(harmed > 0)

            // The same file again isn't tried; a mended one is, and lets the load go on to its end.
            try await Self.installVersion("2.0.1", nil, in: installation)
            try await eventually("the mended version", within: .seconds(60), every: .milliseconds(100)) {
                let row = try await Self.row(installation, "minimal.so")
                return row["version"].text == "2.0.1" && row["rollout"] == .null && row["reason"] == .null
            }
            let wanted = try await load.stop() * linesEach
            try await eventually("all lines", within: .seconds(90), every: .milliseconds(100)) {
                Set(Self.lines(out)).count >= wanted
            }
            let lines = Self.lines(out)
            let (lost, twice) = (wanted - Set(lines).count, lines.count - Set(lines).count)
            print("rollback=\(defect) lines=\(wanted) harmed=\(harmed) lost=\(lost) twice=\(twice) time=\(time)")
            #expect(lost == 0)
            #expect(twice == 0)
            #expect(try await installation.json("dead", "list").list.isEmpty)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        private static func lines(_ path: String) -> [Substring] {
            let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
            // The last one may be half there.
            return text.last == "\n" ? text.split(separator: "\n") : text.split(separator: "\n").dropLast()
        }

        /// The fixture under another version; a bad one notes in OUT.bad which lines it harms.
        private static func installVersion(
            _ version: String,
            _ defect: Defect?,
            in installation: Installation
        ) async throws {
            var source = try String(contentsOfFile: CPlugin.fixture("minimal"), encoding: .utf8)
            let deliver = "    if (!append(path, job->payload))"
            let harm = defect.map {
                "    memcpy(path + file.len, \".bad\", 5); append(path, job->payload); \($0.rawValue);\n"
            }
            for (old, new) in [("\"1.0.0\"", "\"\(version)\""), (deliver, (harm ?? "") + deliver)] {
                guard source.contains(old) else { throw TestSupportError.missing("'\(old)' in minimal.c") }
                source = source.replacing(old, with: new)
            }
            let path = try installation.directory.write(source, to: "variant/minimal.c")
            let built = installation.directory.file("minimal-\(version).so")
            try await CPlugin.build(path, to: built)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: built)
            let run = try await ProcessRunner.run("cp", [built, installation.pluginsFolder + "/minimal.so"])
            guard run.exit == .status(0) else { throw TestSupportError.cannotCreate(built, reason: run.errors) }
        }
    }
}
