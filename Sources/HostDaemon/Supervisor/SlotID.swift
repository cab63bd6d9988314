// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// What a child process does; the raw value is its `--role` argument and its name in status, metrics and logs.
enum Role: String, Sendable, CaseIterable {
    case broker, worker, console
}

/// Names a slot.
///
/// Workers of two generations of a plugin are in different slots, side by side during a roll-out.
struct SlotID: Hashable, Sendable, CustomStringConvertible {
    var role: Role
    var plugin: PluginName?
    var generation = 0
    var index = 0

    static let broker = SlotID(role: .broker)
    static let console = SlotID(role: .console)
    static func worker(_ plugin: PluginName, generation: Int, index: Int) -> SlotID {
        SlotID(role: .worker, plugin: plugin, generation: generation, index: index)
    }

    /// The extra worker of a plugin that tries suspects.
    static func hunter(_ plugin: PluginName, generation: Int) -> SlotID {
        worker(plugin, generation: generation, index: hunterIndex)
    }

    static let hunterIndex = -1
    var isHunter: Bool { role == .worker && index == Self.hunterIndex }

    var description: String {
        plugin.map { isHunter ? "hunter \($0)" : "worker \($0)/\(index)" } ?? role.rawValue
    }
}
