// SPDX-License-Identifier: Apache-2.0
import Foundation
import QueueCore
import TestSupport
import Testing

@testable import HostConfig

/// What a reading of sites_dir makes of the sites in force.
@Suite struct SiteReloadTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private func read() -> SiteListing {
        var files = SiteFiles()
        return files.read(folder.path)
    }

    /// The three sites a, b, c, in force.
    private func start() throws -> [SiteConfig] {
        for name in ["a", "b", "c"] { try folder.write("server: \(name).example\n", to: "\(name).yaml") }
        return SiteReload(inForce: [], listing: read()).sites
    }

    private func summary(_ sites: [SiteConfig]) -> [String] { sites.map { "\($0.nickname)=\($0.server)" } }

    @Test("The same files again are the same sites")
    func same() throws {
        let sites = try start()
        let again = SiteReload(inForce: sites, listing: read())
        #expect(again.sites == sites)
        #expect(again.errors.isEmpty)
    }

    @Test("New, changed and removed files are new, changed and removed sites")
    func changes() throws {
        let sites = try start()
        try folder.write("server: new.example\n", to: "b.yaml")
        try folder.write("server: d.example\n", to: "d.yaml")
        try FileManager.default.removeItem(atPath: "\(folder.path)/c.yaml")
        let reload = SiteReload(inForce: sites, listing: read())
        #expect(summary(reload.sites) == ["a=a.example", "b=new.example", "d=d.example"])
        #expect(reload.errors.isEmpty)
    }

    @Test("A wrong file leaves its site as it was; the others' changes are taken; a wrong new file is no site")
    func wrongFile() throws {
        let sites = try start()
        let wrong = try folder.write("server: b2.example\nplugin: {}\n", to: "b.yaml")
        try folder.write("server: c2.example\n", to: "c.yaml")
        let new = try folder.write("server: [\n", to: "d.yaml")
        let reload = SiteReload(inForce: sites, listing: read())
        #expect(summary(reload.sites) == ["a=a.example", "b=b.example", "c=c2.example"])
        #expect(reload.errors.map(\.file) == [wrong, new])
        #expect(reload.errors.first?.description.hasPrefix("\(wrong):2: plugin: unknown key") == true)
    }

    @Test("What a plugin finds wrong with a site counts as a wrong file")
    func plugins() throws {
        let sites = try start()
        for name in ["a", "b"] { try folder.write("server: \(name)2.example\n", to: "\(name).yaml") }
        let reload = SiteReload(inForce: sites, listing: read()) { site in
            site.server == "a2.example"
                ? [.conflict(ConfigPlace(file: site.file, line: 1, key: "plugins.x.y"), problem: "no")] : []
        }
        #expect(summary(reload.sites) == ["a=a.example", "b=b2.example", "c=c.example"])
        #expect(reload.errors.count == 1)
    }

    @Test("Of one site that is meant the changes are taken, of the others not")
    func only() throws {
        let sites = try start()
        for name in ["a", "b"] { try folder.write("server: \(name)2.example\n", to: "\(name).yaml") }
        try folder.write("server: [\n", to: "d.yaml")
        try FileManager.default.removeItem(atPath: "\(folder.path)/c.yaml")
        let listing = read()
        for name in ["a", "a.example", "A2.example"] {
            let reload = SiteReload(inForce: sites, listing: listing, only: name)
            #expect(summary(reload.sites) == ["a=a2.example", "b=b.example", "c=c.example"], "\(name)")
            #expect(reload.errors.isEmpty && reload.isKnown)
        }
        let gone = SiteReload(inForce: sites, listing: listing, only: "c")
        #expect(summary(gone.sites) == ["a=a.example", "b=b.example"])
        #expect(gone.isKnown)
        let bad = SiteReload(inForce: sites, listing: listing, only: "d")
        #expect(bad.sites == sites && bad.errors.count == 1 && bad.isKnown)
        let nobody = SiteReload(inForce: sites, listing: listing, only: "nobody")
        #expect(nobody.sites == sites && nobody.errors.isEmpty && !nobody.isKnown)
    }

    @Test("Who has a nickname keeps it; the file that wants it too keeps its own old one")
    func nicknames() throws {
        let sites = try start()
        let thief = try folder.write("server: a9.example\nnickname: b\n", to: "a.yaml")
        let reload = SiteReload(inForce: sites, listing: read())
        #expect(summary(reload.sites) == ["a=a.example", "b=b.example", "c=c.example"])
        #expect(reload.errors.map(\.description).first?.hasPrefix("\(thief):2: nickname: ") == true)
    }

    @Test("Two files may swap their nicknames, and a file may be renamed")
    func swap() throws {
        let sites = try start()
        try folder.write("server: a.example\nnickname: b\n", to: "a.yaml")
        try folder.write("server: b.example\nnickname: a\n", to: "b.yaml")
        try FileManager.default.moveItem(atPath: "\(folder.path)/c.yaml", toPath: "\(folder.path)/e.yaml")
        let reload = SiteReload(inForce: sites, listing: read())
        #expect(summary(reload.sites) == ["a=b.example", "b=a.example", "e=c.example"])
        #expect(reload.errors.isEmpty)
    }

    @Test("A folder that went away takes no site with it")
    func folderGone() throws {
        let sites = try start()
        try FileManager.default.removeItem(atPath: folder.path)
        for only in [nil, "a"] {
            let reload = SiteReload(inForce: sites, listing: read(), only: only)
            #expect(reload.sites == sites)
            #expect(reload.errors.count == 1)
        }
    }

    @Test("A file is parsed anew when it changed, however short ago it was read")
    func changedFile() throws {
        var files = SiteFiles()
        // Of the same length, within one tick of the clock.
        for number in 0..<50 {
            try folder.write("server: \(number % 10).example\n", to: "a.yaml")
            #expect(files.read(folder.path).files.first?.site?.server == "\(number % 10).example")
        }
        try FileManager.default.removeItem(atPath: "\(folder.path)/a.yaml")
        #expect(files.read(folder.path).files.isEmpty)
    }

    @Test("A file that didn't change isn't parsed again; one that did is")
    func unchangedFile() throws {
        for name in ["a", "b"] { try folder.write("server: \(name).example\n", to: "\(name).yaml") }
        var files = SiteFiles(settledSeconds: -3600)
        for _ in 0..<3 { #expect(files.read(folder.path).files.map(\.stem) == ["a", "b"]) }
        #expect(files.parsed == 2)
        try folder.write("server: longer.example\n", to: "b.yaml")
        #expect(files.read(folder.path).files.last?.site?.server == "longer.example")
        #expect(files.parsed == 3)
    }
}
