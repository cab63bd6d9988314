// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginFiles
import QueueCore
import TestSupport
import Testing

/// Files that only loading can judge: each gets its one line from a real probe process.
@Suite("Step 2 of the check of a plugin file, in a probe process")
struct StepTwoTests {
    struct BadPlugin: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let macros: [String: String]
        let line: String
        var adding: [String] = []

        init(_ name: String, _ macros: [String: String], _ line: String, adding: [String] = []) {
            testDescription = name
            self.macros = macros
            self.line = line
            self.adding = adding
        }
    }

    private static let legal = "wanted a legal name (see hostd_plugin.h)"

    static let tables: [BadPlugin] = [
        BadPlugin(
            "nosym",
            ["ENTRY": "other_name"],
            "symbol: found no hostd_plugin_entry_v1, wanted it exported (see HOSTD_PLUGIN in hostd_plugin.h)"
        ),
        BadPlugin("nulltable", ["TABLE": "NULL"], "entry: found NULL, wanted the plugin's table"),
        BadPlugin("smalltable", ["TABLE_SIZE": "16"], "plugin table: struct_size: found 16, wanted 120 to 4096"),
        BadPlugin("hugetable", ["TABLE_SIZE": "5000"], "plugin table: struct_size: found 5000, wanted 120 to 4096"),
        BadPlugin(
            "idmismatch",
            ["TABLE_ID": "\"org.example.other\""],
            "id: found \"org.example.other\" in the table, wanted org.example.variant as in the note"
        ),
        BadPlugin(
            "noid",
            ["TABLE_ID": "NULL"],
            "plugin table: id: found no text, wanted one that ends in NUL and is UTF-8"
        ),
        BadPlugin("noinit", ["INIT": "NULL"], "plugin table: init: found NULL, wanted a function"),
        BadPlugin("nohandlers", ["HANDLER_COUNT": "0"], "handlers: found 0, wanted 1 to 64"),
        BadPlugin("manyhandlers", ["HANDLER_COUNT": "65"], "handlers: found 65, wanted 1 to 64"),
        BadPlugin("nohandle", ["HANDLE": "NULL"], "handler 2: handle: found NULL, wanted a function"),
        BadPlugin("smallhandler", ["HANDLER_SIZE": "48"], "handler 1: struct_size: found 48, wanted 56 to 4096"),
    ]

    static let names: [BadPlugin] = [
        BadPlugin(
            "noqueue",
            ["QUEUE": "NULL"],
            "handler 1: queue: found no text, wanted one that ends in NUL and is UTF-8"
        ),
        BadPlugin("badqueue", ["QUEUE": "\"a/b\""], "handler 1: queue: found \"a/b\", \(legal)"),
        BadPlugin("emptyqueue", ["QUEUE": "\"\""], "handler 1: queue: found \"\", \(legal)"),
        BadPlugin(
            "noticequeue",
            ["QUEUE": "\"notice\""],
            "handler 1: queue: found \"notice\", which is hostd's own, wanted another name"
        ),
        BadPlugin(
            "twoqueues",
            ["OTHER_QUEUE": "\"variant\""],
            "handlers: queue: found \"variant\" twice, wanted it once"
        ),
        BadPlugin("badgroup", ["GROUP": "\"-\""], "handler 1: group: found \"-\", \(legal)"),
        BadPlugin("badoutput", ["OUTPUT": "\"a b\""], "output 1: found \"a b\", \(legal)"),
        BadPlugin(
            "ownoutput",
            ["OUTPUT": "\"variantout\""],
            "outputs and handlers: queue: found \"variantout\" twice, wanted it once"
        ),
        BadPlugin("badkey", ["KEY": "\"Level\""], "config key 1: found \"Level\", \(legal)"),
        BadPlugin("dottedkey", ["KEY": "\"site.nickname\""], "config key 1: found \"site.nickname\", \(legal)"),
        BadPlugin(
            "enabledkey",
            ["KEY": "\"enabled\""],
            "config key 1: found \"enabled\", which is hostd's own, wanted another name"
        ),
        BadPlugin("twokeys", ["KEY": "\"secret\""], "config keys: found \"secret\" twice, wanted it once"),
        BadPlugin("badtype", ["KEY_TYPE": "9"], "config key level: type: found 9, wanted 1 to 4 (HOSTD_KEY_*)"),
        BadPlugin(
            "badnumber",
            ["KEY_DEFAULT": "\"three\""],
            "config key level: default: found \"three\", wanted a whole number"
        ),
        BadPlugin(
            "badtruth",
            ["KEY_TYPE": "HOSTD_KEY_BOOL"],
            "config key level: default: found \"3\", wanted true or false"
        ),
    ]

    static let deaths: [BadPlugin] = [
        BadPlugin("ctorabort", ["CONSTRUCTOR": "abort()"], "load test died: Aborted"),
        BadPlugin("ctorexit", ["CONSTRUCTOR": "exit(0)"], "load test died: exit() while loading"),
        BadPlugin("ctorexit3", ["CONSTRUCTOR": "exit(3)"], "load test died: exit(3) while loading"),
        BadPlugin("ctorhang", ["CONSTRUCTOR": "for (;;)"], "load test died: time limit"),
        BadPlugin("ctorsegv", ["CONSTRUCTOR": "*(volatile int *)8 = 1"], "load test died: Segmentation fault"),
        BadPlugin("wildtable", ["TABLE": "(const hostd_plugin *)8"], "load test died: Segmentation fault"),
    ]

    @Test("refuses a bad plugin with its one line", arguments: tables + names + deaths)
    func badPlugin(_ bad: BadPlugin) async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("bad.so")
        try await CPlugin.build("variant", to: path, macros: bad.macros, adding: bad.adding)
        _ = try PluginFile(path: path)
        guard case .refused(let reason) = try await ProbeTool.verdict(on: path) else {
            Issue.record("loaded, wanted: \(bad.line)")
            return
        }
        #expect(reason.description == bad.line)
    }

    @Test("names the symbol that nobody defines")
    func undefinedSymbol() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("undef.so")
        try await CPlugin.build(
            "variant",
            to: path,
            macros: ["UNDEFINED": "1"],
            flags: CPlugin.flags.filter { $0 != "-Wl,-z,defs" }
        )
        #expect(
            try await ProbeTool.verdict(on: path)
                == .refused(.loadTest("dlopen: \(path): undefined symbol: nowhere"))
        )
    }

    @Test("judges again by itself what step 1 should have refused")
    func stepOneAgain() async throws {
        let folder = try TemporaryDirectory()
        try await GoodPlugin.write(to: folder.file("worldw.so"), mode: 0o666)
        #expect(
            try await ProbeTool.verdict(on: folder.file("worldw.so"))
                == .refused(.loadTest(PluginRefusal.writable(mode: 0o100666).description))
        )
    }

    @Test("brings back all that a plugin says of itself, through strides of a later header")
    func descriptor() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("good.so")
        for compiler in [["cc"], ["clang"], ["g++", "-x", "c++"]] {
            let flags =
                compiler[0] == "g++" ? CPlugin.flags.map { $0 == "-std=c99" ? "-std=c++11" : $0 } : CPlugin.flags
            try await CPlugin.build(
                "variant",
                to: path,
                compiler: compiler[0],
                flags: Array(compiler.dropFirst()) + flags
            )
            let expected = PluginDescriptor(
                id: "org.example.variant",
                version: "0.1.0",
                abi: ABIVersion(major: 1, needMinor: 0, builtMinor: 0),
                handlers: [
                    HandlerDescriptor(
                        queue: QueueName(unchecked: "variant"),
                        takesNotices: true,
                        takesDeletes: true,
                        isSingleton: true,
                        isOrdered: true
                    ),
                    HandlerDescriptor(
                        queue: QueueName(unchecked: "variantout"),
                        group: GroupName(unchecked: "other"),
                        maxInFlight: 64,
                        timeoutMs: 30_000,
                        maxAttempts: 5
                    ),
                ],
                configKeys: [
                    ConfigKey(name: "level", kind: .int, defaultValue: "3"),
                    ConfigKey(name: "secret", kind: .string, isRequired: true, isSecret: true, help: "what it is for"),
                ],
                outputs: [QueueName(unchecked: "variantin")]
            )
            #expect(try await ProbeTool.verdict(on: path) == .loaded(expected))
        }
    }

    @Test("loads the minimal plugin")
    func minimal() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("minimal.so")
        try await CPlugin.build("minimal", to: path)
        guard case .loaded(let descriptor) = try await ProbeTool.verdict(on: path) else {
            Issue.record("refused")
            return
        }
        #expect(descriptor.handlers.map(\.queue.rawValue) == ["demo", "demoout"])
        #expect(descriptor.configKeys.map(\.name) == ["out", "chunk"])
    }

    @Test("isn't fooled by what a plugin prints while it loads")
    func forgedAnswer() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("forger.so")
        try await CPlugin.build(
            "variant",
            to: path,
            macros: ["CONSTRUCTOR": "puts(\"{\\\"refused\\\": \\\"forged\\\"}\"); fflush(stdout)"]
        )
        guard case .loaded = try await ProbeTool.verdict(on: path) else {
            Issue.record("refused")
            return
        }
    }

    @Test("isn't held up by a process that a plugin leaves behind")
    func leftBehind() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("forker.so")
        try await CPlugin.build("variant", to: path, macros: ["CONSTRUCTOR": "if (fork() == 0) for (;;) pause()"])
        guard case .loaded = try await ProbeTool.verdict(on: path, timeLimit: .seconds(60)) else {
            Issue.record("refused")
            return
        }
    }

    @Test("shows a plugin no descriptor of hostd's")
    func descriptors() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("curious.so")
        try await CPlugin.build(
            "variant",
            to: path,
            // 3 is the probe's own, for its answer.
            macros: ["CONSTRUCTOR": "for (int i = 4; i < 1000; i++) if (fcntl(i, F_GETFD) >= 0) abort()"]
        )
        let leaked = dup(0)
        defer { close(leaked) }
        guard case .loaded = try await ProbeTool.verdict(on: path) else {
            Issue.record("refused")
            return
        }
    }
}
