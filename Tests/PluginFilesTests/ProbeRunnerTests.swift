// SPDX-License-Identifier: Apache-2.0
import PluginFiles
import TestSupport
import Testing

@Suite("The probe's runner")
struct ProbeRunnerTests {
    @Test(
        "says how a process ended that gave no answer",
        arguments: [
            ("kill -KILL $$", "load test died: Killed"),
            ("kill -SEGV $$", "load test died: Segmentation fault"),
            ("kill -XCPU $$", "load test died: time limit"),
            ("exit 0", "load test died: exit() while loading"),
            ("exit 127", "load test died: exit(127) while loading"),
            ("printf half; exit 0", "load test died: exit() while loading"),
            ("echo nonsense", "load test: found an answer that is not a descriptor, wanted one"),
            ("printf '%s\\n' '{\"refused\": \"because\\u001b[1m\\n\"}'", "because?[1m?"),
        ]
    )
    func ends(_ script: String, _ line: String) async throws {
        guard case .refused(let reason) = try await ProbeTool.verdict(ofShell: script) else {
            Issue.record("loaded")
            return
        }
        #expect(reason.description == line)
    }

    @Test("kills what gives no answer in time, silent or closed", arguments: ["sleep 60", "exec >&-; sleep 60"])
    func timeLimit(_ script: String) async throws {
        let start = ContinuousClock.now
        let verdict = try await ProbeTool.verdict(ofShell: script, timeLimit: .milliseconds(200))
        #expect(verdict == .refused(.loadTest("load test died: time limit")))
        #expect(ContinuousClock.now - start < .seconds(50))
    }

    @Test("hands over the path and no variable but those that a loader or a sanitizer needs")
    func environment() async throws {
        let names = "$(env | cut -d= -f1 | sort | tr '\\n' ' ')"
        let verdict = try await ProbeTool.verdict(
            ofShell: "printf '{\"refused\": \"%s%s\"}\\n' \"$0 \" \"\(names)\"",
            path: "/a/path"
        )
        guard case .refused(.loadTest(let line)) = verdict else {
            Issue.record("found \(verdict)")
            return
        }
        let words = line.split(separator: " ").map(String.init)
        #expect(words.first == "/a/path")
        let known = [
            "PATH", "LANG", "LC_ALL", "TZ", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "SWIFT_BACKTRACE",
            // The shell's own.
            "PWD", "OLDPWD", "SHLVL", "_",
        ]
        #expect(words.contains("SWIFT_BACKTRACE"))
        #expect(Set(words.dropFirst()).subtracting(known) == [])
    }

    @Test("reports a program that can't be started as no fault of the plugin's")
    func noProgram() {
        let runner = ProbeRunner(executable: "/nowhere/hostd")
        #expect(throws: PluginFilesError.spawn(executable: "/nowhere/hostd", why: "No such file or directory")) {
            try runner.run(path: "/none")
        }
    }
}
