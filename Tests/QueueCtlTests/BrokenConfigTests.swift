// SPDX-License-Identifier: Apache-2.0
import Control
import TestSupport
import Testing

/// The built queuectl while hostd.yaml is broken and a hostd runs with what it was before.
@Suite struct BrokenConfigTests {
    private func hostd(_ yaml: String) async throws -> FakeHostd {
        let hostd = try await FakeHostd { _ in .success(.object([:])) }
        try hostd.directory.write(yaml, to: "hostd.yaml")
        return hostd
    }

    @Test(
        "What goes over the control socket works, with a warning that names the error",
        arguments: [
            ("state_dir: .\nqueue: { max_retries: ten }\n", "hostd.yaml:2: queue.max_retries: "),
            ("state_dir: .\nqueue: [\n", "broken YAML"),
        ]
    )
    func works(yaml: String, problem: String) async throws {
        let hostd = try await hostd(yaml)
        let run = try await hostd.queuectl("status", "--json")
        #expect(run.status == 0 && !run.output.isEmpty)
        #expect(run.errors.hasPrefix("queuectl: warning: ") && run.errors.contains(problem))
        #expect(run.errors.split(separator: "\n").count == 1)
        #expect(try await hostd.queuectl("--restart", "--no-wait").status == 0)
        #expect(hostd.requests.all.map(\.command).contains("restart"))
        await hostd.stop()
    }

    @Test("--state-dir asks no file", arguments: ["state_dir: [\n", "state_dir: /nowhere\n"])
    func stateDirectory(yaml: String) async throws {
        let hostd = try await hostd(yaml)
        #expect(try await hostd.queuectl("status", "--json").status == 1)
        let run = try await hostd.queuectl("--state-dir", hostd.directory.path, "status", "--json")
        #expect(run.status == 0 && run.errors.isEmpty)
        let old = try await hostd.queuectl("--state-dir", hostd.directory.path, "--restart", "--no-wait")
        #expect(old.status == 0 && old.errors.isEmpty)
        await hostd.stop()
    }

    @Test("What needs the configuration itself ends with its error")
    func strict() async throws {
        let hostd = try await hostd("state_dir: .\nqueue: { max_retries: ten }\n")
        for arguments in [["enqueue", "-s", "alice", "notice", "-"], ["recipients", "list", "-s", "alice", "omb"]] {
            let run = try await FakeHostd.queuectl(in: hostd.directory, arguments, input: "{}")
            #expect(run.status == 1 && run.errors.contains("queue.max_retries"), "\(arguments)")
        }
        #expect(hostd.requests.all.isEmpty)
        await hostd.stop()
    }
}
