// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

@Suite struct GenerationMemoryTests {
    private let plugin = PluginName(unchecked: "omb")

    @Test("Numbers go on where the last hostd stopped, each plugin's own")
    func goesOn() throws {
        let directory = try TemporaryDirectory()
        var memory = GenerationMemory(stateDirectory: directory.path)
        #expect(memory.next(of: plugin) == 1)
        #expect(memory.next(of: plugin) == 2)
        #expect(memory.next(of: PluginName(unchecked: "other")) == 1)
        try memory.save()
        var later = GenerationMemory(stateDirectory: directory.path)
        #expect(later.next(of: plugin) == 3)
    }

    @Test("What runs already has its number for itself, whatever the file says")
    func noted() throws {
        let directory = try TemporaryDirectory()
        var memory = GenerationMemory(stateDirectory: directory.path)
        memory.note(7, of: plugin)
        memory.note(3, of: plugin)
        let next = memory.next(of: plugin)
        #expect(next == 8)
    }

    @Test("A file that makes no sense is as none", arguments: ["", "{", "[1]", #"{"omb":"x"}"#, #"{"omb":-7}"#])
    func nonsense(_ text: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write(text, to: "generations.json")
        var memory = GenerationMemory(stateDirectory: directory.path)
        #expect(memory.next(of: plugin) == 1)
    }

    @Test("After the largest number comes the first: no trap")
    func overflow() throws {
        let directory = try TemporaryDirectory()
        try directory.write(#"{"omb":\#(Int.max)}"#, to: "generations.json")
        var memory = GenerationMemory(stateDirectory: directory.path)
        #expect(memory.next(of: plugin) == 1)
    }
}
