// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore

/// What a child process does; the raw value is its `--role` argument and its name in status, metrics and logs.
enum Role: String, Codable, Sendable, CaseIterable {
    case broker, worker, console
}

/// Names a slot.
///
/// Workers of two generations of a plugin are in different slots, side by side during a roll-out; so are a worker that
/// grew too large and the fresh one that takes its place.
struct SlotID: Codable, Hashable, Sendable, CustomStringConvertible {
    var role: Role
    /// nil for broker and console, and for the workers of a whole group (`workers.isolate: group`).
    var plugin: PluginName?
    /// The group, or the breakout entry, whose queues it serves; empty for broker and console.
    var unit = ""
    /// Of several plugins in one process the newest's.
    var generation = 0
    var index = 0
    /// How often the process in this place was replaced for its memory.
    var renewal = 0

    /// Where a worker stands, whatever its plugins and its generation are.
    struct Position: Hashable {
        let unit: String
        let index: Int
    }

    var position: Position { Position(unit: unit, index: index) }

    static let broker = SlotID(role: .broker)
    static let console = SlotID(role: .console)
    static func worker(
        _ plugin: PluginName?,
        unit: String = GroupName.main.rawValue,
        generation: Int,
        index: Int
    ) -> SlotID {
        SlotID(role: .worker, plugin: plugin, unit: unit, generation: generation, index: index)
    }

    static func worker(_ worker: WorkerConfiguration) -> SlotID {
        .worker(
            worker.isShared ? nil : worker.plugin,
            unit: worker.unit,
            generation: worker.members.map(\.generation).max() ?? worker.generation,
            index: worker.index
        )
    }

    /// The place in which renewals follow each other.
    var place: SlotID { renewed(0) }

    func renewed(_ renewal: Int) -> SlotID {
        var id = self
        id.renewal = renewal
        return id
    }

    /// The extra worker of a plugin that tries suspects.
    static func hunter(_ plugin: PluginName, generation: Int) -> SlotID {
        worker(plugin, generation: generation, index: hunterIndex)
    }

    static let hunterIndex = -1
    var isHunter: Bool { role == .worker && index == Self.hunterIndex }

    /// `worker omb/0`, `worker omb main/ombout/alice/0`; of a whole group `worker main/0`.
    ///
    /// The group where queues are that name none goes without saying.
    var description: String {
        guard role == .worker else { return role.rawValue }
        return isHunter ? "hunter \(plugin?.rawValue ?? unit)" : "worker \(label(between: " "))"
    }

    /// For people who read process lists.
    var argument: String { label(between: "/") }

    private func label(between separator: String) -> String {
        let parts = [plugin?.rawValue, plugin != nil && unit == GroupName.main.rawValue ? nil : unit]
        return parts.compactMap(\.self).joined(separator: separator) + (isHunter ? "/hunter" : "/\(index)")
    }
}
