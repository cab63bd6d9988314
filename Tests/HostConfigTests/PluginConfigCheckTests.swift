// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import HostConfig

@Suite struct PluginConfigCheckTests {
    private static let descriptor = PluginDescriptor(
        id: "org.example.x",
        version: "1",
        abi: ABIVersion(major: 1, needMinor: 0, builtMinor: 0),
        handlers: [],
        configKeys: [
            ConfigKey(name: "host", kind: .string, isRequired: true, help: "the server"),
            ConfigKey(name: "port", kind: .int, defaultValue: "5222"),
            ConfigKey(name: "debug", kind: .bool),
            ConfigKey(name: "public", kind: .list),
            ConfigKey(name: "password", kind: .string, isSecret: true),
            ConfigKey(name: "tokens", kind: .list, isSecret: true),
        ]
    )

    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private func check(_ settings: String) throws -> PluginConfigCheck {
        let file = try folder.write("server: a\nplugins:\n  x:\n\(settings)\n", to: "a.yaml")
        return PluginConfigCheck.check(
            try SiteConfig.load(file),
            plugin: PluginName(unchecked: "x"),
            descriptor: Self.descriptor,
            environment: { $0 == "PW" ? "from-env" : nil }
        )
    }

    private func lines(_ settings: String) throws -> [String] {
        try check(settings).errors.map { $0.description.replacing("\(folder.path)/a.yaml:", with: "") }
    }

    @Test("Values are given as text, secrets resolved, defaults filled in")
    func values() throws {
        try folder.write("from-file\n", to: "secrets/t")
        let check = try check(
            "    host: 10\n    port: -007\n    debug: True\n    public: [a, 2]\n    password: ${PW}\n"
                + "    tokens: [\"file:secrets/t\", plain]"
        )
        #expect(check.errors.isEmpty)
        #expect(
            check.values == [
                "host": "10", "port": "-7", "debug": "true", "public": "a\n2", "password": "from-env",
                "tokens": "from-file\nplain",
            ]
        )
        #expect(try self.check("    host: h").values == ["host": "h", "port": "5222"])
    }

    @Test("References stay as they are in keys that aren't secret")
    func notSecret() throws {
        #expect(try check("    host: ${PW}").values["host"] == "${PW}")
    }

    @Test(
        "Each wrong key is told with file, line and key",
        arguments: [
            ("    enabled: true", "3: plugins.x.host: missing; expected a text (the server)"),
            ("    host:", "3: plugins.x.host: missing; expected a text (the server)"),
            ("    host: [h]", "4: plugins.x.host: expected a text, found a list"),
            ("    host: h\n    port: many", "5: plugins.x.port: expected a whole number, found \"many\""),
            ("    host: h\n    port: \"1\"", "5: plugins.x.port: expected a whole number, found the text \"1\""),
            (
                "    host: h\n    port: 99999999999999999999",
                "5: plugins.x.port: expected a whole number, found \"99999999999999999999\""
            ),
            ("    host: h\n    debug: on", "5: plugins.x.debug: expected true or false, found \"on\""),
            ("    host: h\n    public: a", "5: plugins.x.public: expected a list ([A, B] or - lines), found \"a\""),
            (
                "    host: h\n    public:\n    - a\n    - [b]",
                "7: plugins.x.public: expected a text in the list, found a list"
            ),
            (
                "    host: h\n    public: [\"a\\nb\"]",
                "5: plugins.x.public: expected a text of one line, found the text \"a\\u{a}b\""
            ),
            ("    host: h\n    prot: 1", "5: plugins.x.prot: unknown key; did you mean port?"),
            ("    host: h\n    password: [geheim]", "5: plugins.x.password: expected a text, found a list"),
            ("    host: h\n    password: ${NO}", "5: plugins.x.password: the environment variable NO isn't set"),
            (
                "    host: h\n    tokens: geheim",
                "5: plugins.x.tokens: expected a list ([A, B] or - lines), found a text"
            ),
        ]
    )
    func wrong(settings: String, line: String) throws {
        #expect(try lines(settings) == [line])
    }

    @Test("A missing secret file is told with its path; relative ones lie beside the site's file")
    func missingSecret() throws {
        #expect(
            try lines("    host: h\n    password: \"file:secrets/no\"") == [
                "5: plugins.x.password: the secret file \(folder.path)/secrets/no can't be read: No such file or directory"
            ]
        )
    }

    @Test("An unknown key that is like none lists the plugin's keys")
    func listsKeys() throws {
        #expect(
            try lines("    host: h\n    zzzzzzz: 1") == [
                "5: plugins.x.zzzzzzz: unknown key; did you mean one of debug, host, password, port, public, tokens?"
            ]
        )
    }

    @Test("A plugin that the site doesn't mention gives nothing")
    func notMentioned() throws {
        let file = try folder.write("server: a\n", to: "b.yaml")
        let check = PluginConfigCheck.check(
            try SiteConfig.load(file),
            plugin: PluginName(unchecked: "x"),
            descriptor: Self.descriptor
        )
        #expect(check.errors.isEmpty && check.values.isEmpty)
    }
}
