// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginABI
import TestSupport
import Testing

@Suite("The ABI's header")
struct HeaderTests {
    private static var header: String { CPlugin.includeFolder + "/hostd_plugin.h" }
    private static var lock: String { CPlugin.root + "/Sources/PluginABI/hostd_plugin.c" }
    private static var check: String { CPlugin.root + "/scripts/check-abi.sh" }

    @Test("compiles without a warning as C99 and C++11 with every compiler, and keeps its own rules")
    func headerPasses() async throws {
        let result = try await ProcessRunner.run(Self.check)
        #expect(result.exit == .status(0), "\(result.output)\n\(result.errors)")
    }

    struct Tampering: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String
        let replacement: String
        let fault: String
    }

    static let tamperings = [
        Tampering(
            testDescription: "a field retyped to long",
            text: "int64_t     enqueued_ms;",
            replacement: "long enqueued_ms;",
            fault: "hostd_job.enqueued_ms: found long"
        ),
        Tampering(
            testDescription: "a field retyped to float",
            text: "uint32_t    attempt; ",
            replacement: "float attempt; ",
            fault: "hostd_job.attempt: found float"
        ),
        Tampering(
            testDescription: "a bit field",
            text: "uint32_t    kills; ",
            replacement: "uint32_t kills : 32; ",
            fault: "refused by cc"
        ),
        Tampering(
            testDescription: "a field added in the middle",
            text: "    hostd_token token;",
            replacement: "    hostd_token added, token;",
            fault: "refused by cc"
        ),
        Tampering(
            testDescription: "a field added at the end and not locked",
            text: "*/\n} hostd_job;",
            replacement: "*/\n    int64_t added;\n} hostd_job;",
            fault: "no AT line for hostd_job.added"
        ),
        Tampering(
            testDescription: "a struct without its size",
            text: "(sized) unique per",
            replacement: "unique per",
            fault: "hostd_recipient: found no mark"
        ),
        Tampering(
            testDescription: "a size that isn't first",
            text: "uint32_t struct_size, reserved0;\n    hostd_site site;",
            replacement: "uint32_t reserved0, struct_size;\n    hostd_site site;",
            fault: "hostd_site_opening: found reserved0 first"
        ),
        Tampering(
            testDescription: "a code with another value",
            text: "HOSTD_DEFER    4u",
            replacement: "HOSTD_DEFER    3u",
            fault: "refused by cc"
        ),
        Tampering(
            testDescription: "a code that isn't locked",
            text: "#define HOSTD_R_CONFIG   9u",
            replacement: "#define HOSTD_R_CONFIG   9u\n#define HOSTD_R_NEW 10u",
            fault: "no line for HOSTD_R_NEW"
        ),
        Tampering(
            testDescription: "a function without its thread",
            text: "/* [any] milliseconds",
            replacement: "/* milliseconds",
            fault: "now_ms: no [serial], [any] or [pool]"
        ),
        Tampering(
            testDescription: "varargs",
            text: "size_t field_count);",
            replacement: "size_t field_count, ...);",
            fault: "hostd_host.log: varargs"
        ),
        Tampering(
            testDescription: "an enum",
            text: "typedef struct hostd_host hostd_host;",
            replacement: "typedef struct hostd_host hostd_host;\nenum hostd_code { HOSTD_ONE };",
            fault: "hostd_code: an enum"
        ),
    ]

    @Test("is refused by the check when it breaks a rule", arguments: tamperings)
    func tamperedHeaderIsRefused(_ tampering: Tampering) async throws {
        let folder = try TemporaryDirectory()
        let text = try String(contentsOfFile: Self.header, encoding: .utf8)
        #expect(text.contains(tampering.text))
        let tampered = try folder.write(
            text.replacingOccurrences(of: tampering.text, with: tampering.replacement),
            to: "hostd_plugin.h"
        )
        let result = try await ProcessRunner.run(Self.check, [tampered])
        #expect(result.exit == .status(1))
        #expect(result.output.contains(tampering.fault), "\(result.output)\n\(result.errors)")
    }

    @Test("is refused by the check when it differs from what a release shipped")
    func releasedLayoutIsKept() async throws {
        let folder = try TemporaryDirectory()
        let lock = try String(contentsOfFile: Self.lock, encoding: .utf8)
        let released = try folder.write(
            lock.replacingOccurrences(of: "AT(hostd_job, site, 16, 8)", with: "AT(hostd_job, site, 24, 8)"),
            to: "old.c"
        )
        #expect(try String(contentsOfFile: released, encoding: .utf8) != lock)
        let result = try await ProcessRunner.run(Self.check, [Self.header, released])
        #expect(result.exit == .status(1))
        #expect(result.output.contains("differs from what was released"))
        #expect(try await ProcessRunner.run(Self.check, [Self.header, Self.lock]).exit == .status(0))
    }

    @Test("documents the command line that these tests build plugins with")
    func commandLineIsDocumented() throws {
        for file in [Self.header, CPlugin.root + "/docs/abi.md"] {
            let words = try String(contentsOfFile: file, encoding: .utf8).split { " \n*\\`".contains($0) }
            #expect(words.joined(separator: " ").contains("cc " + CPlugin.flags.joined(separator: " ")), "\(file)")
        }
    }

    @Test("tells by HOSTD_HAS what an older or a shorter struct holds")
    func presence() async throws {
        let folder = try TemporaryDirectory()
        let source = try folder.write(
            """
            #include "hostd_plugin.h"
            int main(void) {
                hostd_host h;
                h.struct_size = (uint32_t)offsetof(hostd_host, hold);
                if (HOSTD_HAS(hostd_host, &h, hold) || !HOSTD_HAS(hostd_host, &h, now_ms)) return 1;
                h.struct_size = sizeof h;
                return HOSTD_HAS(hostd_host, &h, hold) ? 0 : 2;
            }
            """,
            to: "has.c"
        )
        let program = folder.file("has")
        try await CPlugin.build(
            source,
            to: program,
            flags: ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
        )
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: program)
        #expect(try await ProcessRunner.run(program).exit == .status(0))
    }

    @Test("comes into Swift with its layout, numbers and texts")
    func importedIntoSwift() {
        #expect(MemoryLayout<hostd_job>.size == 152)
        #expect(MemoryLayout<hostd_plugin>.size == 120)
        #expect(MemoryLayout<hostd_host>.offset(of: \.hold) == 144)
        #expect(HOSTD_E_DENIED == -11)
        #expect(HOSTD_PENDING == UInt32(6))
        #expect(HOSTD_ENTRY_SYMBOL == "hostd_plugin_entry_v1")
        #expect(
            [
                HOSTD_EXT_HTTP, HOSTD_EXT_CACHE, HOSTD_EXT_KV, HOSTD_EXT_LOOP, HOSTD_EXT_STREAM, HOSTD_EXT_METRICS,
                HOSTD_EXT_RECIPIENTS,
            ] == ["http", "cache", "kv", "loop", "stream", "metrics", "recipients"].map { "hostd.\($0)/1" }
        )
    }
}
