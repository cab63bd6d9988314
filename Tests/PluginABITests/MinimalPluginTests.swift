// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginABI
import TestSupport
import Testing

/// Drives Tests/Fixtures/plugins/minimal.c through the bare ABI, as the header describes it.
@Suite("The minimal C plugin, built with cc and the header alone")
struct MinimalPluginTests {
    private let folder: TemporaryDirectory
    private let plugin: UnsafePointer<hostd_plugin>

    init() async throws {
        folder = try TemporaryDirectory()
        let path = folder.file("minimal.so")
        try await CPlugin.build(
            "minimal",
            to: path,
            adding: ["-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
        )
        let image = try #require(dlopen(path, RTLD_NOW | RTLD_LOCAL))
        let symbol = try #require(dlsym(image, HOSTD_ENTRY_SYMBOL))
        plugin = try #require(unsafeBitCast(symbol, to: hostd_entry_fn.self)())
    }

    @Test("expands a payload into one item for each line, in chunks that continue at the cursor")
    func expands() throws {
        let host = RecordingHost(config: ["chunk": "2"])
        let site = try open(host)
        let payload = "one\ntwo\n\nthree\nfour\n"
        let first = run(0, site, payload)
        #expect(first.code == HOSTD_CONTINUE)
        #expect(host.staged.map(\.payload) == ["one", "two"])
        let second = run(0, site, payload, cursor: first.cursor)
        #expect(second.code == HOSTD_CONTINUE)
        #expect(run(0, site, payload, cursor: second.cursor).code == HOSTD_DONE)
        #expect(host.staged.map(\.payload) == ["one", "two", "three", "four"])
        #expect(host.staged.map(\.target) == host.staged.map(\.payload))
        #expect(host.staged.allSatisfy { $0.queue == "demoout" })
        close(host, site)
    }

    @Test("asks for a retry when the host takes no more items")
    func stagingFails() throws {
        let host = RecordingHost(config: ["chunk": "10"])
        host.stageLimit = 1
        let site = try open(host)
        #expect(run(0, site, "one\ntwo").code == HOSTD_RETRY)
        close(host, site)
    }

    @Test("appends each delivered line to its file")
    func delivers() throws {
        let host = RecordingHost(config: ["out": folder.file("out")])
        let site = try open(host)
        for line in ["hello", "world"] { #expect(run(1, site, line).code == HOSTD_DONE) }
        #expect(try String(contentsOfFile: folder.file("out"), encoding: .utf8) == "hello\nworld\n")
        close(host, site)
    }

    @Test("says what a line asks for")
    func obeysLines() throws {
        let host = RecordingHost(config: [:])
        let site = try open(host)
        #expect(run(1, site, "hang on").code == HOSTD_PENDING)
        #expect(run(1, site, "retry me").code == HOSTD_RETRY)
        let discarded = run(1, site, "discard me")
        #expect(discarded.code == HOSTD_DISCARD)
        #expect(discarded.flags == HOSTD_RF_KEEP)
        #expect(discarded.reason == HOSTD_R_REJECTED)
        #expect(run(1, site, "no file is set").reason == HOSTD_R_CONFIG)
        close(host, site)
    }

    /// What the plugin gave for itself and for one site.
    private struct Site {
        let plugin: UnsafeMutableRawPointer?
        let site: UnsafeMutableRawPointer
    }

    private func open(_ host: RecordingHost) throws -> Site {
        var state: UnsafeMutableRawPointer?
        var site: UnsafeMutableRawPointer?
        var text = [CChar](repeating: 0, count: 256)
        #expect(plugin.pointee.`init`(host.table, &state, &text, text.count) == HOSTD_OK)
        var opening = hostd_site_opening()
        opening.struct_size = UInt32(MemoryLayout<hostd_site_opening>.size)
        opening.site = 7
        #expect(plugin.pointee.site_open(state, &opening, &site, &text, text.count) == HOSTD_OK)
        return Site(plugin: state, site: try #require(site))
    }

    private func close(_ host: RecordingHost, _ site: Site) {
        plugin.pointee.site_drain(site.site, 0)
        #expect(host.drained == [7])
        plugin.pointee.site_close(site.site)
        plugin.pointee.shutdown(site.plugin)
    }

    private func run(
        _ handler: Int,
        _ site: Site,
        _ payload: String,
        cursor: String = ""
    ) -> (code: UInt32, reason: UInt32, flags: UInt32, cursor: String) {
        hostd_str.with(payload) { payload in
            hostd_str.with(cursor) { cursor in
                var job = hostd_job()
                job.struct_size = UInt32(MemoryLayout<hostd_job>.size)
                job.payload = payload
                job.cursor = cursor
                var out = hostd_result()
                out.struct_size = UInt32(MemoryLayout<hostd_result>.size)
                let code = plugin.pointee.handlers[handler]?.pointee.handle(site.site, &job, &out) ?? 0
                #expect(code == HOSTD_PENDING || out.code == code)
                return (code, out.reason, out.flags, out.cursor.string)
            }
        }
    }
}
