// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import QueueCore

/// Which plugins are in which process: with `workers.isolate: group` several share one.
extension Slot {
    /// None in broker and console.
    var members: [WorkerConfiguration] {
        if case .worker(let worker) = configuration { worker.members } else { [] }
    }

    var plugins: [PluginName] { members.map(\.plugin) }

    /// For metrics and people.
    var pluginList: String { plugins.map(\.rawValue).joined(separator: ",") }

    /// Serves a queue that has one worker per site.
    var servesSingleton: Bool {
        if case .worker(let worker) = configuration { worker.hasSingleton } else { false }
    }

    func runs(_ plugin: PluginName, generation: Int) -> Bool {
        members.contains { $0.plugin == plugin && $0.generation == generation }
    }
}

extension Supervisor {
    /// The plugins whose new generation is in this process.
    func rolling(_ id: SlotID) -> [PluginName] {
        guard let slot = slots[id] else { return [] }
        return rollouts.filter { slot.runs($0.key, generation: $0.value.next.generation) }.map(\.key).sorted()
    }

    /// Breakout entries that no known plugin's queue answers to: once for each that comes up.
    func warnOfIdleBreakouts() {
        let handlers = knownDescriptors.values.flatMap(\.handlers)
        let idle = deployment.breakouts.filter { entry in
            !handlers.contains { $0.queue == entry.queue && $0.group == entry.group }
        }
        for entry in idle where !idleBreakouts.contains(entry.description) {
            let group = handlers.first { $0.queue == entry.queue }?.group
            let reason = group.map { "the queue is in group \($0)" } ?? "no known plugin has such a queue"
            logger.warning(
                "a breakout entry has no effect",
                metadata: ["entry": "\(entry)", "reason": "\(reason)"]
            )
        }
        idleBreakouts = Set(idle.map(\.description))
    }
}
