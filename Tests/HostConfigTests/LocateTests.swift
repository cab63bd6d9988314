// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import HostConfig

/// Where a hostd is that runs, though its file has been broken since.
@Suite struct LocateTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func locate(_ text: String) throws -> (config: HostConfig, error: ConfigError?) {
        try HostConfig.locate(try directory.write(text, to: "hostd.yaml")) { _ in nil }
    }

    @Test("A good file says where, and nothing is wrong")
    func good() throws {
        let (config, error) = try locate("state_dir: /srv/hostd\n")
        #expect(config.stateDir == "/srv/hostd" && error == nil)
    }

    @Test(
        "What is wrong elsewhere is told",
        arguments: [
            ("state_dir: /srv/hostd\nqueue: { max_retries: ten }\n", "queue.max_retries"),
            ("state_dir: /srv/hostd\nqeueu: {}\n", "unknown key"),
            ("queue: { password: \"${NOT_SET_HERE}\" }\nstate_dir: /srv/hostd\n", "NOT_SET_HERE"),
            ("state_dir: /srv/hostd\nqueue: [\n", "broken YAML"),
            ("queue: [\nstate_dir: \"/srv/hostd\" # here\n", "broken YAML"),
        ]
    )
    func elsewhere(text: String, problem: String) throws {
        let (config, error) = try locate(text)
        #expect(config.stateDir == "/srv/hostd")
        #expect("\(try #require(error))".contains(problem))
    }

    @Test("Where the file doesn't name a state directory, its default is it, and relative ones are below the file")
    func byDefault() throws {
        let (config, error) = try locate("queue: [\n")
        #expect(config.stateDir == directory.file("var") && error != nil)
        #expect(try locate("queue: [\nstate_dir: state\n").config.stateDir == directory.file("state"))
    }

    @Test(
        "Where it can't be told which one is meant, nothing is guessed",
        arguments: [
            "state_dir: [a]\n", "state_dri: /srv/hostd\n", "{ state_dir: /srv/hostd, queue: [ }\n",
            "state_dir: /a\nstate_dir: /b\n", "state_dir: /a\nqueue: [\nstate_dir: /b\n", "queue: [\nstate_dir: { }\n",
        ]
    )
    func unknown(text: String) {
        #expect(throws: ConfigError.self) { try locate(text) }
    }

    @Test("A file that is named and isn't there is an error")
    func missing() {
        #expect(throws: ConfigError.self) { try HostConfig.locate(directory.file("none.yaml")) }
    }
}
