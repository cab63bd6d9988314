// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// plugins.d as it is after years: one good file among all kinds of bad ones.
    @Suite struct PluginFileTests {
        @Test("Each bad file has its one line in `queuectl plugins`, and hostd runs and delivers with the good one")
        func badFiles() async throws {
            let installation = try Installation(.init(workers: 1))
            let wanted = try await Self.fill(installation)
            let receiver = Receiver(in: installation.directory, targets: 20)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)
            try await installation.delivered(20, ofNotice: 1)

            let rows = try await installation.json("plugins").list
            #expect(rows.compactMap { $0["file"].text }.sorted() == (wanted.keys + ["omb.so"]).sorted())
            for row in rows {
                let file = try #require(row["file"].text)
                guard let reason = wanted[file] else {
                    #expect(row["state"].text == "loaded")
                    #expect(row["reason"] == .null)
                    continue
                }
                // Refused unread by its look, or failed in the load test.
                #expect(row["state"].text == (reason.hasPrefix("load test") ? "failed" : "refused"), "\(file)")
                let line = row["reason"].text ?? ""
                #expect(line.contains(reason), "\(file): \(line)")
                #expect(!line.contains("\n"))
                #expect(row["workers"].int == 0)
            }
            // For people: the reason is there, whole.
            let table = try await installation.queuectl("plugins")
            #expect(wanted.values.allSatisfy { table.contains($0) }, "\(table)")
            #expect(installation.processes().count == 3, "a probe is left: \(installation.processes())")
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        @Test("What becomes of plugins.d while hostd runs: no restart takes it, each says why, and deliveries go on")
        func whileRunning() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 5)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            let folder = installation.pluginsFolder
            let files = FileManager.default
            var notice = 0
            /// Damages plugins.d, and mends it again.
            func check(_ reason: String, damage: () throws -> Void, mend: () throws -> Void) async throws {
                try damage()
                let restart = try await installation.queuectl(trying: ["restart"])
                #expect(restart.exit == .status(1))
                #expect(restart.errors.contains("the old code goes on"), "\(restart)")
                #expect(restart.errors.contains(reason), "\(reason): \(restart)")
                let rows = try await installation.json("plugins").list
                let omb = try #require(rows.first { $0["file"].text == "omb.so" }, "\(rows)")
                #expect(omb["state"].text == "loaded" && omb["workers"].int == 1, "\(omb)")
                #expect(omb["reason"].text?.contains(reason) == true, "\(reason): \(omb)")
                notice += 1
                try await installation.post(notice: notice)
                try await installation.delivered(5, ofNotice: notice)
                try mend()
                try await installation.queuectl("restart")
            }
            func setMode(_ mode: Int) throws {
                try files.setAttributes([.posixPermissions: mode], ofItemAtPath: folder)
            }
            try await check("mode: found 777, wanted no write for group and others") {
                try setMode(0o777)
            } mend: {
                try setMode(0o700)
            }
            try await check("No such file or directory") {
                try files.moveItem(atPath: folder, toPath: folder + ".away")
            } mend: {
                try files.moveItem(atPath: folder + ".away", toPath: folder)
            }
            try await check("found a file, wanted a folder") {
                try files.moveItem(atPath: folder, toPath: folder + ".away")
                try Data().write(to: URL(filePath: folder))
            } mend: {
                try files.removeItem(atPath: folder)
                try files.moveItem(atPath: folder + ".away", toPath: folder)
            }
            // Not even root can read that.
            try await check("Too many levels of symbolic links") {
                try files.moveItem(atPath: folder, toPath: folder + ".away")
                try files.createSymbolicLink(atPath: folder, withDestinationPath: folder)
            } mend: {
                try files.removeItem(atPath: folder)
                try files.moveItem(atPath: folder + ".away", toPath: folder)
            }
            try await check("there is no omb.so in plugins.d") {
                try files.moveItem(atPath: folder + "/omb.so", toPath: folder + "/omb.so.away")
            } mend: {
                try files.moveItem(atPath: folder + "/omb.so.away", toPath: folder + "/omb.so")
            }
            // Neither can be meant.
            try await check("other.so") {
                try files.copyItem(atPath: folder + "/omb.so", toPath: folder + "/other.so")
            } mend: {
                try files.removeItem(atPath: folder + "/other.so")
            }
            try await check("mode: found 0666, wanted no write for group and others") {
                try files.setAttributes([.posixPermissions: 0o666], ofItemAtPath: folder + "/omb.so")
            } mend: {
                try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/omb.so")
            }
            #expect(receiver.taken(notice: 1).values.allSatisfy { $0 == 1 })
            #expect(try await installation.stop() == .status(0))
        }

        /// Fills plugins.d; returns what the reason of each bad file has to say.
        private static func fill(_ installation: Installation) async throws -> [String: String] {
            let folder = installation.pluginsFolder
            let good = try Data(contentsOf: URL(filePath: folder + "/omb.so"))
            try write(Data("I am no plugin\n".utf8), to: folder + "/text.so")
            try write(Data(), to: folder + "/empty.so")
            var foreign = good
            // e_machine of the ELF header: 0xF3 is RISC-V.
            foreign[18] = 0xF3
            foreign[19] = 0
            try write(foreign, to: folder + "/foreign.so")
            try write(good.prefix(65_536), to: folder + "/part.so")
            try write(good, to: folder + "/writable.so", mode: 0o777)
            for (name, constructor) in [("aborts", "abort()"), ("exits", "exit(0)"), ("hangs", "for (;;)")] {
                let macros = ["CONSTRUCTOR": constructor, "NOTE_ID": "\"org.example.\(name)\""]
                try await installation.installC("variant", as: "\(name).so", macros: macros)
            }
            return [
                "text.so": "format: found no ELF header in 15 bytes",
                "empty.so": "format: found no ELF header in 0 bytes",
                "foreign.so": "machine: found ",
                "part.so": "(truncated: copy it again, then rename)",
                "writable.so": "mode: found 0777, wanted no write for group and others (chmod 755)",
                "aborts.so": "load test died: Aborted",
                "exits.so": "load test died: exit() while loading",
                "hangs.so": "load test died: time limit",
            ]
        }

        private static func write(_ bytes: Data, to path: String, mode: Int = 0o755) throws {
            try bytes.write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }
    }
}
