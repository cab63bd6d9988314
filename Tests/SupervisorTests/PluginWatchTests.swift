// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

@testable import Supervisor

/// The real inotify, in folders of a test's own.
@Suite struct PluginWatchTests {
    private let directory: TemporaryDirectory
    private let events = EventLog<String>()
    private var folder: String { directory.file("plugins.d") }

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write("old", to: "plugins.d/omb.so")
    }

    private func watch() throws -> PluginWatch {
        let events = events
        return try PluginWatch(
            folder,
            unfinished: { events.append($0.joined()) },
            settled: { events.append("settled") }
        )
    }

    private func settled() async throws { #expect(try await events.next(within: .seconds(10)) == "settled") }

    /// For what must never come: long enough for any wrong settling to show itself.
    private func isQuiet(after count: Int) async throws -> Bool {
        try await Task.sleep(for: PluginSettling.quiet * 3)
        return events.all.count == count
    }

    @Test("A rename, a cp in place, a chmod and a removal are each told, once")
    func changes() async throws {
        let watch = try watch()
        try directory.write("new", to: "draft")
        #expect(rename(directory.file("draft"), folder + "/omb.so") == 0)
        try await settled()
        // In place: the same file is truncated and written.
        let source = try directory.write("newer", to: "source")
        let cp = try await ProcessRunner.run("cp", [source, folder + "/omb.so"])
        #expect(cp.exit == .status(0))
        try await settled()
        #expect(chmod(folder + "/omb.so", 0o755) == 0)
        try await settled()
        #expect(link(folder + "/omb.so", folder + "/other.so") == 0)
        try await settled()
        #expect(unlink(folder + "/omb.so") == 0)
        try await settled()
        #expect(try await isQuiet(after: 5))
        #expect(watch.directory == folder)
    }

    @Test("A file that is still being written is waited for")
    func halfWritten() async throws {
        let watch = try watch()
        let file = open(folder + "/new.so", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        #expect(file >= 0 && write(file, "half", 4) == 4)
        #expect(try await isQuiet(after: 0))
        // Another file that is whole doesn't let this one be read either.
        try directory.write("whole", to: "plugins.d/whole.so")
        #expect(try await isQuiet(after: 0))
        #expect(write(file, "rest", 4) == 4)
        close(file)
        try await settled()
        #expect(try await isQuiet(after: 1))
        #expect(watch.directory == folder)
    }

    @Test("What isn't a plugin's file isn't told")
    func others() async throws {
        let watch = try watch()
        try directory.write("x", to: "plugins.d/README")
        try directory.write("x", to: "plugins.d/.omb.so.swp")
        #expect(try await isQuiet(after: 0))
        #expect(watch.directory == folder)
    }

    @Test("The folder may be removed and made again, later, and is watched again")
    func removedAndMade() async throws {
        let watch = try watch()
        #expect(unlink(folder + "/omb.so") == 0 && rmdir(folder) == 0)
        try await settled()
        #expect(mkdir(folder, 0o700) == 0)
        try await settled()
        try directory.write("new", to: "plugins.d/omb.so")
        try await settled()
        #expect(watch.directory == folder)
    }

    @Test("Another folder in its place is told, and watched from then on")
    func replaced() async throws {
        let watch = try watch()
        try directory.write("new", to: "next.d/omb.so")
        #expect(rename(folder, directory.file("last.d")) == 0)
        #expect(rename(directory.file("next.d"), folder) == 0)
        try await settled()
        try directory.write("newer", to: "plugins.d/omb.so")
        try await settled()
        try directory.write("older", to: "last.d/omb.so")
        #expect(try await isQuiet(after: events.all.count))
        #expect(watch.directory == folder)
    }

    @Test("A link that is turned to another folder is a change")
    func switchedLink() async throws {
        try directory.write("1", to: "one.d/omb.so")
        try directory.write("2", to: "two.d/omb.so")
        let path = directory.file("current")
        #expect(symlink("one.d", path) == 0)
        let events = events
        let watch = try PluginWatch(path) { events.append("settled") }
        #expect(symlink("two.d", path + ".new") == 0 && rename(path + ".new", path) == 0)
        try await settled()
        try directory.write("3", to: "two.d/omb.so")
        try await settled()
        #expect(watch.directory == path)
    }

    @Test("A folder that isn't there yet is found when it comes")
    func createdLater() async throws {
        let events = events
        let path = directory.file("a/b/plugins.d")
        let watch = try PluginWatch(path) { events.append("settled") }
        try directory.write("new", to: "a/b/plugins.d/omb.so")
        try await settled()
        #expect(watch.directory == path)
    }

    @Test("A watch that is let go ends its thread and closes what it opened")
    func released() async throws {
        var status = stat()
        #expect(stat(folder, &status) == 0)
        let mark = "ino:\(String(status.st_ino, radix: 16)) "
        /// proc(5): an inotify descriptor's fdinfo names the inodes that it watches.
        func watches() -> Int {
            ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fdinfo")) ?? []).count { name in
                let text = (try? String(contentsOfFile: "/proc/self/fdinfo/\(name)", encoding: .utf8)) ?? ""
                return text.contains("inotify wd") && text.contains(mark)
            }
        }
        var all: [PluginWatch] = []
        for _ in 0..<5 { all.append(try watch()) }
        #expect(watches() == 5)
        all = []
        try await eventually("no watch is left") { watches() == 0 }
        #expect(all.isEmpty)
    }
}
