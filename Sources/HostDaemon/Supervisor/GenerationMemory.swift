// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import QueueCore

/// The last generation of each plugin (`STATE_DIR/generations.json`): numbers go on over restarts of hostd, so that two
/// generations in a log are never called the same.
struct GenerationMemory: Sendable {
    private(set) var last: [PluginName: Int]
    private let path: String

    /// A file that can't be read is as none: then numbers begin at 1.
    init(stateDirectory: String) {
        path = stateDirectory + "/generations.json"
        let data = FileManager.default.contents(atPath: path) ?? Data()
        last = (try? JSONDecoder().decode([PluginName: Int].self, from: data)) ?? [:]
    }

    /// Gives out a number; `save` before anything runs under it.
    ///
    /// `isShared`: all plugins count together.
    mutating func next(of plugin: PluginName, isShared: Bool = false) -> Int {
        let before = isShared ? last.values.max() : last[plugin]
        let (next, isTooLarge) = (before ?? 0).addingReportingOverflow(1)
        let number = isTooLarge || next < 1 ? 1 : next
        last[plugin] = number
        return number
    }

    /// It runs already: no number up to this one is given out, also where a full disk kept it from the file.
    mutating func note(_ generation: Int, of plugin: PluginName) { last[plugin] = max(generation, last[plugin] ?? 0) }

    func save() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        // Atomic: a crash leaves the old file or the new one.
        try encoder.encode(last).write(to: URL(filePath: path), options: .atomic)
    }
}
