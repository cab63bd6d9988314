// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import QueueCore

/// The last descriptor of each plugin that could be loaded (`STATE_DIR/descriptors.json`): the queues of one that can't be
/// loaded now are known by it, so that their items wait.
struct DescriptorMemory: Sendable {
    private(set) var known: [PluginName: PluginDescriptor]
    private let path: String

    /// A file that can't be read is as none: the next scan writes it anew.
    init(stateDirectory: String) {
        path = stateDirectory + "/descriptors.json"
        let data = FileManager.default.contents(atPath: path) ?? Data()
        known = (try? JSONDecoder().decode([PluginName: PluginDescriptor].self, from: data)) ?? [:]
    }

    /// Takes in what a scan could load; writes only what is new.
    mutating func remember(_ plugins: [PluginName: LoadablePlugin]) throws {
        let merged = known.merging(plugins.mapValues(\.descriptor)) { _, new in new }
        guard merged != known else { return }
        known = merged
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Atomic: a crash leaves the old file or the new one.
        try encoder.encode(known).write(to: URL(filePath: path), options: .atomic)
    }
}
