// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// What a child process does; the raw value is its `--role` argument and its name in status, metrics and logs.
enum Role: String, Codable, Sendable, CaseIterable {
    case broker, worker, console
}

/// Names a slot.
///
/// Workers of two generations of a plugin are in different slots, side by side during a roll-out.
struct SlotID: Codable, Hashable, Sendable, CustomStringConvertible {
    var role: Role
    var plugin: PluginName?
    var generation = 0
    var index = 0

    static let broker = SlotID(role: .broker)
    static let console = SlotID(role: .console)
    static func worker(_ plugin: PluginName, generation: Int, index: Int) -> SlotID {
        SlotID(role: .worker, plugin: plugin, generation: generation, index: index)
    }

    var description: String { plugin.map { "worker \($0)/\(index)" } ?? role.rawValue }
}
