// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// omb, twitter and xmppout at one site: what befalls one of them is no matter for the others.
    @Suite(.timeLimit(.minutes(5))) struct ThreePluginsTests {
        /// What befalls a plugin.
        enum Trouble: String, Sendable, CaseIterable {
            case refused
            case hanging
            case killed
            case crashing
        }

        private static let before = 1...3
        private static let during = 4...13

        @Test("A notice on the queue notice reaches the targets of all three")
        func together() async throws {
            let trio = try await Trio()
            try await trio.start()
            try await trio.installation.post(notice: 1)
            for plugin in Trio.Plugin.allCases { try await trio.arrived(plugin, 1...1) }
            try await trio.installation.delivered(3 * Trio.targets, ofNotice: 1)
            for plugin in Trio.Plugin.allCases {
                #expect(try trio.arrivals(plugin).count == Trio.targets, "\(plugin)")
            }
            let versions = try await trio.installation.json("plugins").list.map { [$0["id"].text, $0["version"].text] }
            #expect(Set(versions.map(\.first)) == ["org.hostd.omb", "org.hostd.twitter", "org.hostd.xmppout"])
            #expect(versions.allSatisfy { $0.last??.isEmpty == false })
            #expect(try await trio.installation.stop() == .status(0))
            #expect(trio.installation.processes().isEmpty)
        }

        @Test(
            "While one plugin can deliver nothing the others deliver everything; mended, it delivers what waited",
            arguments: Trio.Plugin.allCases,
            Trouble.allCases
        )
        func trouble(of plugin: Trio.Plugin, _ trouble: Trouble) async throws {
            // What a plugin is killed with is no poison, however often: the items are to arrive.
            let trio = try await Trio(.init(workers: 1, queue: ["max_retries: 1000"]))
            let installation = trio.installation
            if trouble == .crashing { try await Self.install(crashing: plugin, in: installation) }
            try await trio.start()
            if trouble != .crashing {
                for notice in Self.before { try await installation.post(notice: notice) }
                for plugin in Trio.Plugin.allCases { try await trio.arrived(plugin, Self.before) }
            }

            var killer: WorkerKiller?
            switch trouble {
            case .refused: try await trio.stop(plugin)
            case .hanging: try await trio.freeze(plugin)
            case .killed: killer = WorkerKiller(trio, plugin)
            case .crashing: break
            }
            if let killer { try await eventually("the first kill") { killer.count > 0 } }
            for notice in Self.during { try await installation.post(notice: notice) }
            for other in plugin.others { try await trio.arrived(other, Self.during) }
            let delivered = try trio.count(plugin, of: Self.during)
            // On a machine that is very busy a worker may live for long enough to deliver something.
            #expect(trouble == .killed ? delivered < Self.during.count * Trio.targets : delivered == 0)
            if let killer { try await eventually("kills", within: .seconds(60)) { killer.count >= 3 } }
            if trouble == .crashing {
                try await eventually("deaths", within: .seconds(60), every: .milliseconds(50)) {
                    installation.hostd?.errors.all.count { $0.contains("signal 6") && $0.contains("\(plugin)") } ?? 0
                        >= 2
                }
            }

            killer?.stop()
            switch trouble {
            case .refused: try await trio.start(plugin)
            case .hanging: try await trio.thaw(plugin)
            case .killed: break
            case .crashing: try await Self.install(try Self.built(plugin), as: plugin, in: installation)
            }
            try await trio.arrived(plugin, Self.during, within: .seconds(150))
            #expect(try await installation.json("dead", "list") == .list([]))
            // The others have each delivery once.
            for other in plugin.others {
                let arrivals = try trio.arrivals(other)
                #expect(arrivals.count == Set(arrivals).count, "\(other)")
            }
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        @Test("Each file is replaced while the others run: their workers stay, and go on delivering")
        func replaced() async throws {
            let trio = try await Trio(.init(workers: 1, canary: "1s"))
            let installation = trio.installation
            try await trio.start()
            let load = SteadyLoad(port: installation.stompPort, queue: "notice", every: .milliseconds(150)) {
                Installation.notice($0)
            }
            for plugin in Trio.Plugin.allCases { try await trio.arrived(plugin, 1...1) }
            for (index, plugin) in Trio.Plugin.allCases.enumerated() {
                let workers = try await trio.workers()
                let counts = try plugin.others.map { try trio.arrivals($0).count }
                // Bytes behind the last section: another file, the same code.
                let next = try Self.built(plugin) + Data("another \(index)\n".utf8)
                try await Self.install(next, as: plugin, in: installation)
                try await eventually("the new \(plugin)", within: .seconds(60), every: .milliseconds(200)) {
                    let row = try await Self.row(plugin, installation)
                    return row["generation"].int == 2 && row["rollout"] == .null
                }
                #expect(try await Self.row(plugin, installation)["reason"] == .null)
                try await eventually("deliveries by the others meanwhile") {
                    try zip(plugin.others, counts).allSatisfy { try trio.arrivals($0).count > $1 }
                }
                let after = try await trio.workers()
                for other in plugin.others { #expect(after[other] == workers[other], "\(other)") }
                #expect(after[plugin, default: []].isDisjoint(with: workers[plugin, default: []]))
            }
            let notices = try await load.stop()
            for plugin in Trio.Plugin.allCases {
                try await trio.arrived(plugin, 1...notices)
                let arrivals = try trio.arrivals(plugin)
                print("replaced=\(plugin) notices=\(notices) twice=\(arrivals.count - Set(arrivals).count)")
                #expect(arrivals.count == Set(arrivals).count, "\(plugin)")
            }
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        private static func row(_ plugin: Trio.Plugin, _ installation: Installation) async throws -> JSON {
            try await installation.json("plugins").list.first { $0["file"].text == "\(plugin).so" } ?? .null
        }

        private static func built(_ plugin: Trio.Plugin) throws -> Data {
            try Data(contentsOf: URL(filePath: try ProcessRunner.product("lib\(plugin).so")))
        }

        /// Puts a file in place of the plugin's, by a rename.
        private static func install(
            _ bytes: Data,
            as plugin: Trio.Plugin,
            in installation: Installation
        ) async throws {
            let source = installation.directory.file("next.so")
            try bytes.write(to: URL(filePath: source))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: source)
            let path = installation.pluginsFolder + "/\(plugin).so"
            let run = try await ProcessRunner.run("mv", [source, path])
            guard run.exit == .status(0) else { throw TestSupportError.cannotCreate(path, reason: run.errors) }
        }

        /// A build of the plugin that dies of every notice.
        private static func install(crashing plugin: Trio.Plugin, in installation: Installation) async throws {
            let macros = ["ID": "\"org.hostd.\(plugin)\"", "QUEUE": "\"\(plugin.queue)\""]
            let built = installation.directory.file("crashing.so")
            try await CPlugin.build("crashing", to: built, macros: macros)
            try await install(try Data(contentsOf: URL(filePath: built)), as: plugin, in: installation)
        }
    }
}
