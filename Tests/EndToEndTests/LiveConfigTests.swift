// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// Sites come, change and go while hostd runs.
    @Suite struct LiveConfigTests {
        private func ready(_ installation: Installation, _ queue: String, site: String) async throws -> Int? {
            try await installation.json("status")["queues"].list
                .first { $0["queue"].text == queue && $0["site"].text == site }?["ready"].int
        }

        @Test("A new site delivers after its update, which answers when it can")
        func newSite() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 3)
            try await receiver.start()
            try await installation.start()
            try await installation.queuectl("recipients", "import", "-s", "fresh", "omb", receiver.recipients)
            try installation.writeSite("fresh", plugins: ["omb": "{ enabled: true }"])
            let begin = ContinuousClock.now
            let text = try await installation.queuectl("update", "-s", "fresh")
            let updated = ContinuousClock.now
            #expect(text.hasPrefix("update fresh: 1 plugin, 4 queues, "), "\(text)")
            try await installation.enqueue("notice", Installation.notice(1), site: "fresh")
            try await receiver.taken(1, notice: 1)
            print("update of a new site: answered after \(updated - begin), first delivery after \(.now - begin)")
            try await receiver.taken(3, notice: 1)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("A removed site's items wait, over a new start too, and go out when it is back")
        func removedSite() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 5)
            try await receiver.start()
            try installation.writeSite("other", plugins: ["omb": "{ enabled: true }"])
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.queuectl("pause", "ombout")
            try await installation.post(notice: 1)
            try await eventually("5 items that wait") { try await ready(installation, "ombout", site: "demo") == 5 }
            #expect(unlink(installation.directory.file("sites.d/demo.yaml")) == 0)
            let text = try await installation.queuectl("update", "-s", "demo")
            #expect(text.hasPrefix("update demo: the site is gone; its items wait"), "\(text)")
            try await installation.queuectl("resume", "ombout")
            #expect(try await installation.stop() == .status(0))
            // Its workers never heard of the site.
            try await installation.start()
            try await installation.queuectl("recipients", "import", "-s", "other", "omb", receiver.recipients)
            try await installation.enqueue("notice", Installation.notice(2), site: "other")
            try await receiver.taken(5, notice: 2)
            #expect(try await ready(installation, "ombout", site: "demo") == 5)
            #expect(receiver.taken(notice: 1).isEmpty)
            #expect(try await installation.json("dead", "list").list.isEmpty)
            try installation.writeSite(plugins: ["omb": "{ enabled: true }"])
            try await installation.queuectl("--update", "-sdemo")
            try await receiver.taken(5, notice: 1)
            #expect(try await installation.stop() == .status(0))
            #expect(receiver.taken(notice: 1).values.allSatisfy { $0 == 1 })
        }

        @Test("A removed site's items are dropped by a command, and by nothing else")
        func dropped() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 5)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.queuectl("pause", "ombout")
            try await installation.post(notice: 1)
            try await eventually("5 items that wait") { try await ready(installation, "ombout", site: "demo") == 5 }
            let early = try await installation.queuectl(trying: ["sites", "drop", "demo"])
            #expect(early.exit == .status(1) && early.errors.contains("site demo is configured"))
            #expect(unlink(installation.directory.file("sites.d/demo.yaml")) == 0)
            try await installation.queuectl("update", "-s", "demo")
            #expect(try await installation.queuectl("sites", "drop", "demo", "--dry-run") == "5 would be dropped")
            #expect(try await installation.queuectl("sites", "drop", "demo") == "5 dropped")
            try installation.writeSite(plugins: ["omb": "{ enabled: true }"])
            try await installation.queuectl("update", "-s", "demo")
            try await installation.queuectl("resume", "ombout")
            try await installation.post(notice: 2)
            try await receiver.taken(5, notice: 2)
            #expect(receiver.taken(notice: 1).isEmpty)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("After a changed server name what waits goes out under the new root")
        func changedServer() async throws {
            let installation = try Installation(.init(workers: 2))
            let receiver = try await OAuthlibReceiver(targets: 20)
            try await installation.start()
            try await receiver.subscribe(in: installation)
            try await installation.queuectl("pause", "ombout")
            try await installation.post(notice: 1)
            try await eventually("20 items that wait") { try await ready(installation, "ombout", site: "demo") == 20 }
            try installation.directory.write(
                "server: renamed.example\nplugins: { omb: { enabled: true } }\n",
                to: "sites.d/demo.yaml"
            )
            // By the name that hostd knows it by until then.
            try await installation.queuectl("--update", "-s", "demo.example")
            try await installation.queuectl("resume", "ombout")
            try await installation.delivered(20, ofNotice: 1)
            let seen = try await receiver.verdicts()
            #expect(seen.allSatisfy { $0["valid"] == .bool(true) })
            #expect(Set(seen.compactMap { $0["form"]["oauth_consumer_key"].text }) == ["http://renamed.example/"])
            #expect(try await installation.stop() == .status(0))
        }

        @Test("A plugin is switched on and off, and its keys are changed, without a restart")
        func plugin() async throws {
            let installation = try Installation(.init(workers: 1))
            try await installation.installC("minimal", as: "minimal.so")
            try await installation.start()
            let files = ["first", "second"].map { installation.directory.file($0) }
            let lines = { (file: String) in
                (FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? "")
                    .split(separator: "\n").map(String.init)
            }
            for file in files {
                try installation.writeSite(plugins: ["minimal": "{ enabled: true, out: \"\(file)\" }"])
                let text = try await installation.queuectl("update", "-s", "demo")
                #expect(text.hasPrefix("update demo: 1 plugin, "), "\(text)")
                try await installation.enqueue("demo", "to \(file)")
                try await eventually("the line in \(file)") { lines(file) == ["to \(file)"] }
            }
            try installation.writeSite(plugins: ["minimal": "{ enabled: false }", "omb": "{ enabled: true }"])
            try await installation.queuectl("update", "-s", "demo")
            try await installation.enqueue("demo", "nobody's")
            try await eventually("the dead letter") {
                try await installation.json("dead", "list").list.first?["reason"].text == "no-handler"
            }
            try await eventually("no worker of it") {
                try await installation.json("status")["processes"].list.allSatisfy { $0["plugin"].text != "minimal" }
            }
            #expect(files.allSatisfy { lines($0).count == 1 })
            #expect(try await installation.stop() == .status(0))
        }

        @Test("A bad file keeps its site as it was, and is told by file, line and key; the others' changes are taken")
        func badFile() async throws {
            let installation = try Installation(.init(workers: 1))
            try await installation.start()
            let file = try installation.directory.write(
                "server: demo.example\nplugins:\n  omb: { enabled: true, timeout: soon }\n",
                to: "sites.d/demo.yaml"
            )
            try installation.writeSite("other", plugins: ["omb": "{ enabled: true }"])
            for arguments in [["update", "-s", "demo"], ["update"], ["-u"]] {
                let run = try await installation.queuectl(trying: arguments)
                #expect(run.exit == .status(1))
                #expect(
                    run.errors.hasPrefix("queuectl: \(file):3: plugins.omb.timeout: expected a whole number"),
                    "\(run.errors)"
                )
                #expect(!run.errors.contains("\n"))
            }
            let sites = try await installation.json("sites").list
            #expect(sites.map { $0["nickname"].text } == ["demo", "other"])
            #expect(sites.map { $0["state"].text } == ["error", "open"])
            try installation.writeSite(plugins: ["omb": "{ enabled: true }"])
            let hostd = try #require(installation.hostd)
            hostd.signal(SIGHUP)
            try await eventually("both are well") {
                try await installation.json("sites").list.allSatisfy { $0["state"].text == "open" }
            }
            #expect(try await installation.stop() == .status(0))
        }

        @Test("Keys of hostd.yaml are live, or are listed as waiting; a bad hostd.yaml leaves the old one in force")
        func hostConfiguration() async throws {
            let installation = try Installation(.init(workers: 1))
            try await installation.start()
            let text = try String(contentsOfFile: installation.configuration, encoding: .utf8)
            try installation.directory.write(text + "  max_retrys: 1\n", to: "hostd.yaml")
            // queuectl reads the same file: it is asked by another that is sound.
            let sound = try installation.directory.write(text, to: "sound.yaml")
            let ask = { (arguments: [String]) in
                try await ProcessRunner.run(try ProcessRunner.product("queuectl"), ["--config", sound] + arguments)
            }
            let bad = try await ask(["update"])
            #expect(bad.exit == .status(1))
            #expect(bad.errors.contains("queue.max_retrys: unknown key; did you mean max_retries?"), "\(bad.errors)")
            try installation.directory.write(
                text.replacingOccurrences(of: "workers: { count: 1", with: "workers: { count: 2")
                    + "  max_retries: 1\n"
                    + "snmp: { agentx: /run/agentx.sock }\n",
                to: "hostd.yaml"
            )
            let good = try await ask(["update"])
            #expect(good.exit == .status(0), "\(good.errors)")
            #expect(good.output.hasSuffix("; waiting for a restart of hostd: snmp.agentx"), "\(good.output)")
            let workers = try await installation.json("status")["processes"].list.filter {
                $0["role"].text == "worker" && $0["state"].text == "ready"
            }
            #expect(workers.count == 2)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("Words on both control topics, with the login that a SEND needs and not without it")
        func controlTopics() async throws {
            let installation = try Installation(
                .init(workers: 1, queue: ["username: hostd", "password: secret"])
            )
            try await installation.start()
            let hostd = try #require(installation.hostd)
            let stranger = try await StompTestClient.connect(port: installation.stompPort)
            try await stranger.send("SEND\ndestination:/topic/statusnet-control\n\nshutdown\0")
            try await stranger.closed()
            for (number, topic) in ["/topic/statusnet-control", "/topic/statusnet/control"].enumerated() {
                try installation.writeSite("site\(number)", plugins: ["omb": "{ enabled: true }"])
                let client = try await StompTestClient.connect(port: installation.stompPort)
                #expect(try await client.connect(login: "hostd", passcode: "secret").command == "CONNECTED")
                for word in ["explode", "update:nobody", "update: site\(number)\n"] {
                    try await client.send("SEND", ["destination": topic, "receipt": "r"], body: word)
                    try await client.receipt("r")
                }
                try await eventually("site\(number)") {
                    try await installation.json("sites").list.contains { $0["nickname"].text == "site\(number)" }
                }
                #expect(hostd.isRunning)
            }
            let generation = { try await installation.json("plugins").list.first?["generation"].int ?? 0 }
            let before = try await generation()
            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect(login: "hostd", passcode: "secret")
            for word in ["restart", "shutdown"] {
                try await client.send("SEND", ["destination": "/topic/statusnet-control", "receipt": "r"], body: word)
                if word == "restart" {
                    try await client.receipt("r")
                    try await eventually("a new generation") { try await generation() > before }
                }
            }
            #expect(try await hostd.exit(within: .seconds(60)) == .status(0))
        }

        @Test("stop returns when the process is gone, in StatusNet's words too")
        func stop() async throws {
            let installation = try Installation(.init(workers: 1))
            try await installation.start()
            let hostd = try #require(installation.hostd)
            let text = try await installation.queuectl("--update", "-sdemo", "--restart", "--stop")
            #expect(installation.processes().isEmpty)
            let lines = text.split(separator: "\n")
            #expect(lines.count == 3 && lines[0].hasPrefix("update demo: ") && lines[1].hasPrefix("restart: "))
            #expect(lines.last?.hasPrefix("stop: hostd (pid \(hostd.pid)) has stopped, ") == true, "\(text)")
            #expect(try await hostd.exit() == .status(0))
        }
    }
}
