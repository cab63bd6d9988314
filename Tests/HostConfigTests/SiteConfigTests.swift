// SPDX-License-Identifier: Apache-2.0
import Foundation
import QueueCore
import TestSupport
import Testing

@testable import HostConfig

@Suite struct SiteConfigTests {
    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    @Test("A site's file is read; what is left out has its default")
    func reads() throws {
        let file = try folder.write(
            "server: alice.example:8080\nplugins: { omb: , twitter: { enabled: false } }\n",
            to: "alice.yaml"
        )
        let site = try SiteConfig.load(file)
        #expect(site.nickname.rawValue == "alice")
        #expect(site.name == "alice")
        #expect(site.root == "http://alice.example:8080/")
        #expect(site.enabledPlugins.map(\.rawValue) == ["omb"])
        #expect(site.plugins.count == 2)
        #expect(
            site.hostValues == [
                "site.nickname": "alice", "site.server": "alice.example:8080", "site.name": "alice",
                "site.root": "http://alice.example:8080/",
            ]
        )
    }

    @Test("Every key of a site's file is read")
    func everyKey() throws {
        let file = try folder.write(
            "nickname: bob\nserver: b.example\nname: Bob's\nroot: https://b.example/sub/\nbreakout: [main/omb]\n",
            to: "alice.yaml"
        )
        let site = try SiteConfig.load(file)
        #expect(site.nickname.rawValue == "bob")
        #expect(site.name == "Bob's")
        #expect(site.root == "https://b.example/sub/")
        #expect(site.breakout.map(\.description) == ["main/omb/bob"])
    }

    @Test(
        "Wrong site files are told with line and key",
        arguments: [
            ("", "server: missing; expected a host name such as alice.example"),
            (
                "server: http://a.example/",
                "1: server: expected a host name such as alice.example, found \"http://a.example/\""
            ),
            (
                "server: a\nroot: http://a",
                "2: root: expected an http or https URL with a slash at its end, found \"http://a\""
            ),
            (
                "server: a\nnickname: a b",
                "2: nickname: expected 1 to 64 of the characters A-Z a-z 0-9 _ . -, found \"a b\""
            ),
            ("server: a\nplugin: {}", "2: plugin: unknown key; did you mean plugins?"),
            (
                "server: a\nplugins:\n  omb: true",
                "3: plugins.omb: expected a mapping (KEY: VALUE lines), found \"true\""
            ),
            (
                "server: a\nplugins:\n  omb: { enabled: 1 }",
                "3: plugins.omb.enabled: expected true or false, found \"1\""
            ),
            (
                "server: a\nplugins:\n  o b: {}",
                "3: plugins: expected the name of a plugin (its file in plugins.d without .so), found \"o b\""
            ),
        ]
    )
    func wrong(text: String, line: String) throws {
        let file = try folder.write(text, to: "alice.yaml")
        let error = #expect(throws: ConfigError.self) { try SiteConfig.load(file) }
        let separator = line.first?.isNumber == true ? ":" : ": "
        #expect(error?.description == file + separator + line)
    }

    @Test("A file whose name is no nickname has to say one")
    func badFileName() throws {
        let file = try folder.write("server: a\n", to: "a b.yaml")
        #expect(throws: ConfigError.self) { try SiteConfig.load(file) }
        try folder.write("server: a\nnickname: ab\n", to: "a b.yaml")
        #expect(try SiteConfig.load(file).nickname.rawValue == "ab")
    }

    @Test("The folder gives its good sites by nickname, and the errors of the bad ones")
    func folderOfSites() throws {
        try folder.write("server: z\n", to: "s/zoe.yaml")
        try folder.write("server: a\n", to: "s/alice.yaml")
        try folder.write("server: [\n", to: "s/broken.yaml")
        try folder.write("server: x\n", to: "s/old.yml")
        try folder.write("token", to: "s/secrets/alice")
        try folder.write("server: x\n", to: "s/alice.yaml~")
        try folder.write("server: x\n", to: "s/.#alice.yaml")
        let sites = SiteFolder.read("\(folder.path)/s")
        #expect(sites.sites.map(\.nickname.rawValue) == ["alice", "zoe"])
        #expect(sites[SiteName(unchecked: "zoe")]?.server == "z")
        #expect(sites.errors.count == 2)
        #expect(!sites.isMissing)
    }

    @Test("Two files with one nickname are an error that names both")
    func duplicateNickname() throws {
        let first = try folder.write("server: a\n", to: "alice.yaml")
        let second = try folder.write("server: b\nnickname: alice\n", to: "bob.yaml")
        let sites = SiteFolder.read(folder.path)
        #expect(
            sites.errors.map(\.description) == [
                "\(second):2: nickname: the nickname \"alice\" is already taken by \(first); each site needs its own"
            ]
        )
        #expect(sites.sites.map(\.server) == ["a"])
    }

    @Test("No folder is no site and no error; a file in its place is an error")
    func noFolder() throws {
        let missing = SiteFolder.read("\(folder.path)/none")
        #expect(missing.isMissing && missing.sites.isEmpty && missing.errors.isEmpty)
        let file = try folder.write("", to: "file")
        #expect(SiteFolder.read(file).errors == [.unreadable(file: file, reason: "Not a directory")])
    }

    @Test("Printing a site shows no value of a plugin's keys")
    func hidesValues() throws {
        let file = try folder.write(
            "server: a\nplugins: { twitter: { consumer_secret: geheim, l: [geheim] } }\n",
            to: "a.yaml"
        )
        let site = try SiteConfig.load(file)
        var dumped = ""
        dump(site, to: &dumped)
        #expect(!"\(site)".contains("geheim"))
        #expect(!dumped.contains("geheim"))
    }
}
