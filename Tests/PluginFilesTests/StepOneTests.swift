// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginFiles
import QueueCore
import TestSupport
import Testing

/// Each bad file gets its one line, and none of its code runs.
@Suite("Step 1 of the check of a plugin file")
struct StepOneTests {
    struct BadFile: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let line: String
        let make: @Sendable (_ path: String, _ folder: TemporaryDirectory) async throws -> Void

        init(
            _ name: String,
            _ line: String,
            _ make: @escaping @Sendable (_ path: String, _ folder: TemporaryDirectory) async throws -> Void
        ) {
            testDescription = name
            self.line = line
            self.make = make
        }

        static func edited(
            _ name: String,
            _ line: String,
            _ edit: @escaping @Sendable (inout [UInt8]) -> Void
        ) -> BadFile {
            BadFile(name, line) { path, _ in try await GoodPlugin.write(to: path, edit) }
        }

        static func mode(_ name: String, _ mode: Int, _ line: String) -> BadFile {
            BadFile(name, line) { path, _ in try await GoodPlugin.write(to: path, mode: mode) }
        }

        static func built(_ name: String, _ line: String, macros: [String: String] = [:], adding: [String]) -> BadFile {
            BadFile(name, line) { path, _ in
                try await CPlugin.build("variant", to: path, macros: macros, adding: adding)
            }
        }

        static func machine(_ name: String, _ target: String, _ line: String) -> BadFile {
            BadFile(name, line) { path, folder in
                let source = try folder.write("int x;", to: "x.c")
                try await CPlugin.build(
                    source,
                    to: path,
                    compiler: "clang",
                    flags: ["--target=\(target)", "-ffreestanding", "-nostdlib", "-fPIC", "-shared", "-fuse-ld=lld"]
                )
            }
        }
    }

    static let rights: [BadFile] = [
        .mode("worldw", 0o666, "mode: found 0666, wanted no write for group and others (chmod 644)"),
        .mode("groupw", 0o664, "mode: found 0664, wanted no write for group and others (chmod 644)"),
        .mode("suid", 0o4755, "mode: found 4755, wanted neither setuid nor setgid (chmod 755)"),
        .mode("sgid", 0o2755, "mode: found 2755, wanted neither setuid nor setgid (chmod 755)"),
        BadFile("dir", "file type: found a folder, wanted a regular file") { path, _ in
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        },
        BadFile("fifo", "file type: found a FIFO, wanted a regular file") { path, _ in
            #expect(mkfifo(path, 0o644) == 0)
        },
        BadFile("symlink", "open: found a symbolic link, wanted the file itself (copy it and rename the copy)") {
            path,
            folder in
            try await GoodPlugin.write(to: folder.file("good.so"))
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "good.so")
        },
        BadFile("dangling", "open: found a symbolic link, wanted the file itself (copy it and rename the copy)") {
            path,
            _ in
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "nowhere.so")
        },
    ]

    static let formats: [BadFile] = [
        BadFile("empty", "format: found no ELF header in 0 bytes, wanted an ELF shared object") { path, _ in
            try GoodPlugin.write([], to: path)
        },
        BadFile("text", "format: found no ELF header in 6 bytes, wanted an ELF shared object") { path, _ in
            try GoodPlugin.write(Array("hello\n".utf8), to: path)
        },
        BadFile("random", "format: found no ELF header in 65536 bytes, wanted an ELF shared object") { path, _ in
            var random = SeededRandom(seed: 1)
            try GoodPlugin.write(random.bytes(65_536), to: path)
        },
        .machine("i386", "i386-linux-gnu", "ELF class: found 32-bit, wanted 64-bit"),
        .machine(
            "othermachine",
            otherMachine + "-linux-gnu",
            "machine: found \(otherMachine), wanted \(thisMachine) (build it for this machine)"
        ),
        .edited("bigendian", "byte order: found big-endian, wanted little-endian") { $0[5] = 2 },
        .edited("object", "ELF type: found 1, wanted 3, a shared object (link with -shared)") { $0[16] = 1 },
        .edited("noheaders", "program headers: found 0 of 56 bytes, wanted 1 to 64 of 56 bytes each") { $0[56] = 0 },
        .edited("manyheaders", "program headers: found 65 of 56 bytes, wanted 1 to 64 of 56 bytes each") {
            $0[56] = 65
        },
        BadFile("exe", "ELF type: found an executable, wanted a shared object (link with -shared)") { path, folder in
            let source = try folder.write("int main(void) { return 0; }", to: "m.c")
            try await CPlugin.build(source, to: path, flags: ["-std=c99"])
        },
        BadFile("staticexe", "ELF type: found an executable, wanted a shared object (link with -shared)") {
            path,
            folder in
            let source = try folder.write("int main(void) { return 0; }", to: "m.c")
            try await CPlugin.build(source, to: path, flags: ["-std=c99", "-no-pie", "-static"])
        },
        .built(
            "execstack",
            "stack: found a request for an executable one, wanted none (link with -z noexecstack)",
            adding: ["-Wl,-z,execstack"]
        ),
        .built(
            "nodlopen",
            "flags: found DF_1_NOOPEN, wanted a file that dlopen may load (link without -z nodlopen)",
            adding: ["-Wl,-z,nodlopen"]
        ),
        BadFile("textrel", "relocations: found some in the text (DT_TEXTREL), wanted none (compile with -fPIC)") {
            path,
            folder in
            let source = try folder.write(
                "__asm__(\".section .rodata\\n.quad hostd_plugin_entry_v1\\n.text\");",
                to: "t.c"
            )
            try await CPlugin.build("variant", to: path, adding: ["-Wl,-z,notext", source])
        },
    ]

    static let notes: [BadFile] = [
        .built(
            "nonote",
            "note: found no .note.hostd, wanted one (not a hostd plugin? see HOSTD_PLUGIN in hostd_plugin.h)",
            macros: ["NO_NOTE": "1"],
            adding: []
        ),
        .built(
            "badid",
            "id: found \"Org/../x\", wanted 1 to 63 of a-z, 0-9, . and -",
            macros: ["NOTE_ID": "\"Org/../x\""],
            adding: []
        ),
        .built(
            "noid",
            "id: found \"\", wanted 1 to 63 of a-z, 0-9, . and -",
            macros: ["NOTE_ID": "\"\""],
            adding: []
        ),
        .built(
            "badversion",
            "version: found no text of at most 39 bytes, wanted one",
            macros: ["VERSION": "\"1\\n2\""],
            adding: []
        ),
        .built(
            "minor9",
            "ABI minor: found a need of 9, wanted at most 0 (update hostd)",
            macros: ["NEED": "9"],
            adding: []
        ),
        BadFile("major2", "ABI major: found 2, wanted 1 (build it against this hostd's hostd_plugin.h)") { path, _ in
            let offset = try await GoodPlugin.noteOffset
            try await GoodPlugin.write(to: path) { $0[offset] = 2 }
        },
        BadFile("endlessid", "id: found \"no text\", wanted 1 to 63 of a-z, 0-9, . and -") { path, _ in
            let offset = try await GoodPlugin.noteOffset
            try await GoodPlugin.write(to: path) { bytes in
                for index in offset + 8..<offset + 72 { bytes[index] = UInt8(ascii: "a") }
            }
        },
    ]

    @Test("refuses a bad file with its one line", arguments: rights + formats + notes)
    func badFile(_ bad: BadFile) async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("bad-one.so")
        try await bad.make(path, folder)
        let refusal = #expect(throws: PluginRefusal.self) { try PluginFile(path: path) }
        #expect(refusal?.description == bad.line)
    }

    @Test("refuses a file of another user", .enabled(if: geteuid() == 0, "only root can give a file away"))
    func owner() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("owner.so")
        try await GoodPlugin.write(to: path)
        #expect(chown(path, 65534, 65534) == 0)
        #expect(throws: PluginRefusal.owner(65534)) { try PluginFile(path: path) }
        #expect(
            PluginRefusal.owner(65534).description == "owner: found uid 65534, wanted root or hostd's uid 0 (chown)"
        )
    }

    @Test(
        "refuses a search path that others can fill",
        arguments: ["lib", "$ORIGIN/../lib", "/usr/lib:", "/usr/lib:lib"]
    )
    func searchPath(_ searchPath: String) async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("rpath.so")
        for tag in ["--enable-new-dtags", "--disable-new-dtags"] {
            try await CPlugin.build("variant", to: path, adding: ["-Wl,\(tag)", "-Wl,-rpath,\(searchPath)"])
            let refusal = #expect(throws: PluginRefusal.self) { try PluginFile(path: path) }
            #expect(refusal?.description.hasPrefix("RPATH or RUNPATH: found \"\(searchPath)\" (") == true)
        }
    }

    @Test("refuses a search path below a folder that others can write, though it isn't there")
    func writableSearchPath() async throws {
        let folder = try TemporaryDirectory()
        let shared = folder.file("shared")
        try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: false)
        #expect(chmod(shared, 0o1777) == 0)
        let path = folder.file("rpath.so")
        for place in [shared, shared + "/missing"] {
            try await CPlugin.build("variant", to: path, adding: ["-Wl,-rpath,\(place)"])
            let refusal = #expect(throws: PluginRefusal.self) { try PluginFile(path: path) }
            #expect(refusal?.description.contains("mode: found 1777, wanted no write for group and others") == true)
        }
    }

    @Test("accepts search paths that only root and we can fill, as SwiftPM links them")
    func goodSearchPath() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("rpath.so")
        try await CPlugin.build("variant", to: path, adding: ["-Wl,-rpath,/usr/lib:$ORIGIN:/usr/lib/none/at/all"])
        #expect(try PluginFile(path: path).note.id == "org.example.variant")
    }

    @Test("reads name, size, hash and note of a good file, and leaves them readable after strip and gc-sections")
    func goodFile() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("good_1-x.so")
        try await CPlugin.build(
            "variant",
            to: path,
            macros: ["VERSION": "\"2.0 β\""],
            adding: ["-Wl,--gc-sections", "-s"]
        )
        let file = try PluginFile(path: path)
        #expect(file.name.rawValue == "good_1-x")
        #expect(file.note.id == "org.example.variant")
        #expect(file.note.version == "2.0 β")
        #expect(file.note.abi.major == 1)
        let sum = try await ProcessRunner.run("sha256sum", [path])
        #expect(sum.output.hasPrefix(file.sha256 + " "))
        #expect(file.size == UInt64(try Data(contentsOf: URL(filePath: path)).count))
    }

    #if arch(x86_64)
    private static let (thisMachine, otherMachine) = ("x86_64", "aarch64")
    #else
    private static let (thisMachine, otherMachine) = ("aarch64", "x86_64")
    #endif
}
