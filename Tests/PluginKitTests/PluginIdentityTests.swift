// SPDX-License-Identifier: Apache-2.0

import Foundation
import PluginKit
import Testing

@Suite struct PluginIdentityTests {
    @Test("scripts/plugin-note writes a note that reads as it was asked for, and refuses what a host would")
    func script() throws {
        let (status, text) = try run("org.example.welcome", "1.2.3-\u{E9}")
        #expect(status == 0)
        let body = try #require(text.split(separator: "= [").last)
        let words = body.split { " ,\n]".contains($0) }.filter {
            $0.first?.isNumber == true && $0.hasPrefix("0x") || Int($0) != nil
        }
        .compactMap { $0.hasPrefix("0x") ? UInt32($0.dropFirst(2).replacing("_", with: ""), radix: 16) : UInt32($0) }
        // The comment's own numbers come first; the note is the last 33 words.
        var note = PluginNote(repeating: 0)
        for (index, word) in words.suffix(33).enumerated() { note[index] = word }
        #expect(note[0] == 6 && note[1] == 112 && note[2] == 1)
        #expect(PluginIdentity(note: note) == PluginIdentity(id: "org.example.welcome", version: "1.2.3-\u{E9}"))
        #expect(try run("Org.example", "1").status == 2)
        #expect(try run(String(repeating: "a", count: 64), "1").status == 2)
        #expect(try run("a", String(repeating: "1", count: 40)).status == 2)
        #expect(try run("a").status == 2)
    }

    private func run(_ arguments: String...) throws -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL =
            URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../scripts/plugin-note").standardizedFileURL
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
