// SPDX-License-Identifier: Apache-2.0
import PluginFiles
import TestSupport
import Testing

/// Whatever the bytes are, step 1 answers, and what it lets through can only harm the probe process.
@Suite("A damaged plugin file")
struct DamagedFileTests {
    @Test("is refused or whole to the loader wherever it is cut")
    func truncated() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("cut.so")
        let bytes = try await GoodPlugin.bytes
        var accepted: [Int] = []
        var kinds: Set<String> = []
        for length in stride(from: 0, to: bytes.count, by: 7) {
            try GoodPlugin.write(Array(bytes[..<length]), to: path)
            do throws(PluginRefusal) {
                _ = try PluginImage(path: path)
                accepted.append(length)
            } catch {
                kinds.insert(String(error.description.prefix { $0 != ":" }))
            }
        }
        #expect(kinds == ["format", "size"])
        // What is left out at the very end are sections, which the loader doesn't read: it must take such a file.
        let shortest = try #require(accepted.first)
        #expect(accepted == Array(stride(from: shortest, to: bytes.count, by: 7)))
        try GoodPlugin.write(Array(bytes[..<shortest]), to: path)
        guard case .loaded = try await ProbeTool.verdict(on: path) else {
            Issue.record("a file that lacks section headers only isn't loaded")
            return
        }
    }

    @Test("never harms who checks it, and what passes only the probe that loads it")
    func flipped() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("flipped.so")
        let good = try await GoodPlugin.bytes
        let note = try await GoodPlugin.noteOffset
        var random = SeededRandom()
        var (passed, refused, probed, killed) = (0, 0, 0, 0)
        for _ in 0..<1500 {
            var bytes = good
            for _ in 0..<([1, 1, 2, 8].randomElement(using: &random) ?? 1) {
                // Headers, notes and the dynamic section's strings are in the beginning.
                bytes[Int.random(in: 0..<max(900, note + 112), using: &random)] = UInt8.random(
                    in: 0...255,
                    using: &random
                )
            }
            try GoodPlugin.write(bytes, to: path)
            do throws(PluginRefusal) {
                _ = try PluginImage(path: path)
                passed += 1
            } catch {
                refused += 1
                #expect(!error.description.contains("\n"))
                continue
            }
            // A probe costs a process: every twentieth shows that its end, whatever it is, comes back as a line.
            guard passed % 20 == 0 else { continue }
            probed += 1
            if case .refused(let reason) = try await ProbeTool.verdict(on: path) {
                #expect(!reason.description.contains("\n"))
                killed += 1
            }
        }
        print("flipped: \(passed) passed step 1, \(refused) refused; of \(probed) probed \(killed) refused")
        #expect(passed > 100)
        #expect(refused > 100)
        #expect(probed > 5)
    }
}
