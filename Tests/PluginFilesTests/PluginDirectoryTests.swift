// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginFiles
import TestSupport
import Testing

@Suite("The plugins' folder")
struct PluginDirectoryTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    /// `FILE` or `FILE: why it is refused`.
    private func scan(_ path: String) throws -> [String] {
        try PluginDirectory.scan(path).map { finding in
            switch finding {
            case .accepted: finding.file
            case .refused(_, let reason): "\(finding.file): \(reason)"
            }
        }
    }

    @Test("gives its files in order, and knows what isn't meant for it")
    func names() async throws {
        for name in ["zebra.so", "omb.so"] {
            try await CPlugin.build("variant", to: folder.file(name), macros: ["NOTE_ID": "\"org.example.\(name)\""])
        }
        for name in [".hidden.so", "omb.so~", "#omb.so#", "omb.so.dpkg-new", "README.md", "omb.so.1", "so"] {
            try folder.write("not a plugin", to: name, mode: 0o644)
        }
        for name in ["OMB.so", "a b.so", "-x.so", ".so", "é.so"] { try folder.write("", to: name, mode: 0o644) }
        try folder.write("not a plugin", to: "text.so", mode: 0o644)
        let wanted = "wanted at most 64 of a-z, 0-9, _ and - before .so, not - first (rename it)"
        #expect(
            try scan(folder.path) == [
                "-x.so: name: found \"-x.so\", \(wanted)", "OMB.so: name: found \"OMB.so\", \(wanted)",
                "a b.so: name: found \"a b.so\", \(wanted)", "omb.so",
                "text.so: format: found no ELF header in 12 bytes, wanted an ELF shared object", "zebra.so",
                "é.so: name: found \"é.so\", \(wanted)",
            ]
        )
    }

    @Test("refuses all files of one id, each naming the others")
    func sameIDs() async throws {
        for name in ["one", "two", "three"] { try await GoodPlugin.write(to: folder.file("\(name).so")) }
        try await CPlugin.build("minimal", to: folder.file("other.so"))
        let wanted = "too, wanted one file for each id (remove the others)"
        #expect(
            try scan(folder.path) == [
                "one.so: id: found org.example.variant in three.so, two.so \(wanted)", "other.so",
                "three.so: id: found org.example.variant in one.so, two.so \(wanted)",
                "two.so: id: found org.example.variant in one.so, three.so \(wanted)",
            ]
        )
    }

    @Test("is an error when it is missing, a file, or writable by others", arguments: [0o777, 0o775, 0o1777])
    func badFolder(_ mode: Int) throws {
        let missing = folder.file("missing")
        #expect(
            throws: PluginFilesError.folder(
                missing,
                fault: FolderFault(folder: missing, kind: .unreadable("No such file or directory"))
            )
        ) { try PluginDirectory.scan(missing) }
        let file = try folder.write("", to: "file")
        #expect(throws: PluginFilesError.folder(file, fault: FolderFault(folder: file, kind: .notAFolder))) {
            try PluginDirectory.scan(file)
        }
        let open = try makeFolder("open", mode: mode)
        let error = #expect(throws: PluginFilesError.self) { try PluginDirectory.scan(open) }
        let octal = String(mode, radix: 8)
        #expect(
            error?.description
                == "\(open): folder \(open): mode: found \(octal), wanted no write for group and others (chmod 755)"
        )
    }

    @Test("is an error below a folder that others can write, though a link hides it")
    func badParent() throws {
        let open = try makeFolder("open", mode: 0o777)
        let plugins = try makeFolder("open/plugins.d", mode: 0o755)
        #expect(
            throws: PluginFilesError.folder(plugins, fault: FolderFault(folder: open, kind: .writable(mode: 0o777)))
        ) {
            try PluginDirectory.scan(plugins)
        }
        let link = folder.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: plugins)
        #expect(throws: PluginFilesError.self) { try PluginDirectory.scan(link) }
        // And a good folder that is reached by a link which others can replace.
        let good = try makeFolder("good", mode: 0o755)
        let replaceable = open + "/link"
        try FileManager.default.createSymbolicLink(atPath: replaceable, withDestinationPath: good)
        #expect(throws: PluginFilesError.self) { try PluginDirectory.scan(replaceable) }
        #expect(try PluginDirectory.scan(good).isEmpty)
    }

    @Test(
        "may lie below a sticky folder of root's, as a system's temporary one",
        .enabled(if: geteuid() == 0, "needs root")
    )
    func stickyParent() throws {
        _ = try makeFolder("tmp", mode: 0o1777)
        let plugins = try makeFolder("tmp/plugins.d", mode: 0o755)
        #expect(try PluginDirectory.scan(plugins).isEmpty)
        #expect(chown(folder.file("tmp"), 65534, 65534) == 0)
        let fault = FolderFault(folder: folder.file("tmp"), kind: .owner(65534))
        #expect(throws: PluginFilesError.folder(plugins, fault: fault)) { try PluginDirectory.scan(plugins) }
    }

    private func makeFolder(_ name: String, mode: Int) throws -> String {
        let path = folder.file(name)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(chmod(path, mode_t(mode)) == 0)
        return path
    }
}
