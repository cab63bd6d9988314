// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginFiles
import TestSupport
import Testing

@Suite("The private copy of a plugin")
struct PluginCopyTests {
    private let folder: TemporaryDirectory
    private let source: String

    init() async throws {
        folder = try TemporaryDirectory()
        source = folder.file("omb.so")
        try await GoodPlugin.write(to: source)
    }

    private func status(_ path: String) -> stat {
        var status = stat()
        #expect(lstat(path, &status) == 0)
        return status
    }

    private func content(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

    @Test("is named by its content, readable by us alone, and the same bytes")
    func made() async throws {
        let file = try PluginFile(path: source)
        let path = try PluginCopy.make(of: file, in: folder.path)
        #expect(path.hasPrefix("/"))
        #expect(path.hasSuffix("/plugins/omb-\(file.sha256.prefix(16)).so"))
        #expect(status(path).st_mode & 0o7777 == 0o400)
        #expect(status(folder.file("plugins")).st_mode & 0o7777 == 0o700)
        #expect(try content(path) == content(source))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("plugins")).count == 1)
    }

    @Test("is made once, and again when it was damaged")
    func reused() async throws {
        let file = try PluginFile(path: source)
        let path = try PluginCopy.make(of: file, in: folder.path)
        let first = status(path).st_ino
        #expect(try PluginCopy.make(of: file, in: folder.path) == path)
        #expect(status(path).st_ino == first)
        try GoodPlugin.write(Array(try content(path).dropLast()), to: path)
        #expect(try PluginCopy.make(of: file, in: folder.path) == path)
        #expect(try content(path) == content(source))
        #expect(status(path).st_mode & 0o7777 == 0o400)
    }

    @Test("holds what was checked, though the file was replaced since")
    func replaced() async throws {
        let file = try PluginFile(path: source)
        let checked = try content(source)
        try GoodPlugin.write(Array("another".utf8), to: folder.file("new"))
        #expect(rename(folder.file("new"), source) == 0)
        #expect(try content(PluginCopy.make(of: file, in: folder.path)) == checked)
    }

    @Test("isn't made of a file that was written over since it was checked", arguments: [0, 4096])
    func overwritten(_ length: Int) async throws {
        let file = try PluginFile(path: source)
        let handle = try #require(FileHandle(forWritingAtPath: source))
        if length == 0 { try handle.truncate(atOffset: 100) } else { try handle.write(contentsOf: Data(count: length)) }
        try handle.close()
        #expect(throws: PluginFilesError.copyDiffers(from: source)) { try PluginCopy.make(of: file, in: folder.path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("plugins")) == [])
    }

    @Test("goes when nobody needs it, with the drafts of a process that died")
    func pruned() async throws {
        let kept = try PluginCopy.make(of: PluginFile(path: source), in: folder.path)
        try await CPlugin.build("minimal", to: folder.file("minimal.so"))
        let old = try PluginCopy.make(of: PluginFile(path: folder.file("minimal.so")), in: folder.path)
        #expect(old != kept)
        try folder.write("half", to: "plugins/.omb-0000000000000000.1.draft")
        try PluginCopy.prune(in: folder.path, keeping: [kept])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.file("plugins"))
                == [URL(filePath: kept).lastPathComponent]
        )
    }

    @Test("isn't made where it can't be written, nor in a folder that others can")
    func noPlace() async throws {
        let file = try PluginFile(path: source)
        let missing = folder.file("missing")
        #expect(throws: PluginFilesError.copy(to: "\(missing)/plugins", why: "No such file or directory")) {
            try PluginCopy.make(of: file, in: missing)
        }
        try folder.write("", to: "state/x")
        #expect(chmod(folder.file("state"), 0o777) == 0)
        #expect(throws: PluginFilesError.self) { try PluginCopy.make(of: file, in: folder.file("state")) }
    }
}
