// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// A configuration that is wrong ends hostd before anything starts, in words that lead to the place.
    @Suite struct ConfigTests {
        struct Mistake: CustomTestStringConvertible, Sendable {
            let testDescription: String
            /// The whole of hostd.yaml.
            let text: String
            /// Of one line on standard error, in this order.
            let parts: [String]
            /// Another file beside it: name and content.
            var beside: (name: String, text: String)?
        }

        static let mistakes = [
            Mistake(
                testDescription: "broken YAML",
                text: "queue: { listen: \"\"\nworkers: { count: 1 }\n",
                parts: ["hostd.yaml:2:", "broken YAML"]
            ),
            Mistake(
                testDescription: "an unknown key",
                text: "queue:\n  listen: \"\"\n  max_retrys: 3\n",
                parts: ["hostd.yaml:3: queue.max_retrys: unknown key", "did you mean max_retries?"]
            ),
            Mistake(
                testDescription: "a wrong type",
                text: "workers:\n  count: many\n",
                parts: ["hostd.yaml:2: workers.count: expected auto, or a whole number", "found \"many\""]
            ),
            Mistake(
                testDescription: "two sites of one nickname",
                text: "queue: { listen: \"\" }\n",
                parts: ["sites.d/second.yaml:1: nickname: the nickname \"demo\" is already taken by ", "demo.yaml"],
                beside: ("sites.d/second.yaml", "nickname: demo\nserver: second.example\n")
            ),
            Mistake(
                testDescription: "a secret file that isn't there",
                text: "queue:\n  username: bob\n  password: \"file:secrets/none\"\n",
                parts: ["hostd.yaml:3: queue.password: the secret file ", "secrets/none can't be read: No such file"]
            ),
            Mistake(
                testDescription: "a plain login for the whole network",
                text: "queue:\n  listen: 0.0.0.0:0\n",
                parts: ["hostd.yaml:2: queue.listen: other machines reach 0.0.0.0:0, so it needs a login"]
            ),
        ]

        @Test("A mistake is exit status 1 and one line with file, line and key; nothing starts", arguments: mistakes)
        func refused(_ mistake: Mistake) async throws {
            let installation = try Installation()
            try installation.directory.write(mistake.text, to: "hostd.yaml")
            if let beside = mistake.beside { try installation.directory.write(beside.text, to: beside.name) }
            for arguments in [[], ["--check"]] {
                let run = try await ProcessRunner.run(
                    try ProcessRunner.product("hostd"),
                    ["--config", installation.configuration] + arguments,
                    within: .seconds(30)
                )
                #expect(run.exit == .status(1))
                #expect(!run.errors.contains("\n"), "more than one line: \(run.errors)")
                var rest = run.errors[...]
                for part in mistake.parts {
                    let found = try #require(rest.firstRange(of: part), "'\(part)' is missing in: \(run.errors)")
                    rest = rest[found.upperBound...]
                }
                #expect(!FileManager.default.fileExists(atPath: installation.directory.file("var")))
            }
        }

        @Test("--check says what it found right, starts nothing and writes nothing")
        func check() async throws {
            let installation = try Installation()
            let run = try await ProcessRunner.run(
                try ProcessRunner.product("hostd"),
                ["--config", installation.configuration, "--check"]
            )
            #expect(run.exit == .status(0), "\(run.errors)")
            #expect(run.output.contains("1 site, 1 plugin: no errors"))
            #expect(run.errors.isEmpty)
            #expect(!FileManager.default.fileExists(atPath: installation.directory.file("var")))
        }

        @Test("--check knows what plugins declare: a site's unknown key and a plugin that isn't there have their lines")
        func checkOfPlugins() async throws {
            let installation = try Installation(
                .init(plugins: ["omb": "{ enabled: true, timeut: 3 }", "twiter": "{ enabled: true }"])
            )
            let run = try await ProcessRunner.run(
                try ProcessRunner.product("hostd"),
                ["--config", installation.configuration, "--check"]
            )
            #expect(run.exit == .status(1))
            #expect(run.errors.contains("demo.yaml:4: plugins.omb.timeut: unknown key; did you mean timeout?"))
            #expect(run.errors.contains("demo.yaml:5: plugins.twiter: can't be run: "))
        }

        @Test("--version is a number, on standard output")
        func version() async throws {
            let run = try await ProcessRunner.run(try ProcessRunner.product("hostd"), ["--version"])
            #expect(run.exit == .status(0))
            let isNumber = run.output.wholeMatch(of: /\d+\.\d+\.\d+.*/) != nil
            #expect(isNumber, "\(run.output)")
            #expect(run.errors.isEmpty)
        }

        @Test("A second hostd on the same state directory is refused with the first one's pid, which isn't disturbed")
        func second() async throws {
            let installation = try Installation(.init(workers: 1))
            try await installation.start()
            let first = try #require(installation.hostd)
            let second = try installation.run()
            #expect(try await second.exit() == .status(1))
            let line = try await second.line(containing: "another hostd", of: second.errors)
            #expect(line.contains("(pid \(first.pid))"))
            #expect(first.isRunning)
            #expect(installation.processes(role: "broker").count == 1)
            #expect(try await installation.stop() == .status(0))
        }
    }
}
