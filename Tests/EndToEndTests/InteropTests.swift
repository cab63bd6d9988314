// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// Independent clients and an independent OAuth library against the real daemon.
    @Suite struct InteropTests {
        @Test("stomp.py's checks pass in STOMP 1.0, 1.1 and 1.2")
        func stompPy() async throws {
            let installation = try Installation(.init(workers: 1, plugins: [:]))
            try await installation.start()
            let run = try await ProcessRunner.run(
                PythonFixture.interpreter,
                [PythonFixture.path("stomp_interop.py"), "\(installation.stompPort)"],
                within: .seconds(120)
            )
            #expect(run.exit == .status(0), "\(run.output)\n\(run.errors)")
            for version in ["1.0", "1.1", "1.2"] {
                let passed = run.output.split(separator: "\n").filter { $0.hasPrefix("ok \(version) ") }
                #expect(passed.count == 10, "\(run.output)")
            }
            #expect(try await installation.stop() == .status(0))
        }

        @Test("StatusNet's own way of speaking works: a plain queue, the PHP envelope, the control channel")
        func statusNet() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 3)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await Self.speak(installation, "roundtrip")
            // A notice in the envelope goes out; a mere number is a dead letter that says what to do.
            try await Self.speak(installation, "send", Installation.site, "notice", Installation.notice(7))
            try await installation.delivered(3, ofNotice: 7)
            try await Self.speak(installation, "send", Installation.site, "notice", "17")
            try await eventually("a dead letter") { try await installation.json("dead", "list").list.count == 1 }
            let letter = try #require(try await installation.json("dead", "list").list.first)
            #expect(letter["reason"].text == "bad-frame")
            #expect(letter["text"].text?.contains("number 17") == true, "\(letter)")

            try installation.writeSite("second", plugins: ["omb": "{ enabled: true }"])
            try await Self.speak(installation, "control", "update:second")
            try await eventually("the new site") { try await installation.json("sites").list.count == 2 }
            let hostd = try #require(installation.hostd)
            try await Self.speak(installation, "control", "shutdown")
            #expect(try await hostd.exit() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        private static func speak(_ installation: Installation, _ arguments: String...) async throws {
            let run = try await ProcessRunner.run(
                PythonFixture.interpreter,
                [PythonFixture.path("statusnet_client.py"), "\(installation.stompPort)"] + arguments
            )
            #expect(run.exit == .status(0), "\(arguments): \(run.errors)")
        }

        @Test("oauthlib finds every delivery signed as OMB 0.1 and RFC 5849 want it, whatever is in the notice")
        func oauthlib() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = try await OAuthlibReceiver(targets: 50)
            try await installation.start()
            try await receiver.subscribe(in: installation)
            try await installation.post(notice: 1)
            try await installation.delivered(50, ofNotice: 1)

            let verdicts = try await receiver.verdicts()
            #expect(verdicts.count == 50)
            #expect(Set(verdicts.compactMap { $0["path"].text }).count == 50)
            for verdict in verdicts {
                #expect(verdict["valid"] == .bool(true), "\(verdict)")
                #expect(verdict["form"]["omb_notice"].text == Installation.noticeURI(1))
                #expect(verdict["form"]["omb_notice_content"].text == "Grüße, #1!")
            }
            #expect(try await installation.stop() == .status(0))
        }
    }
}
