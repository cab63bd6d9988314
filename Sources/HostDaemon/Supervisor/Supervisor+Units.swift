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

    /// With `workers.isolate: group` another set of plugins is another process: the old one works on until that is ready.
    ///
    /// Not where it serves a singleton queue, which has one worker, and not for code that was given up.
    func lingering(beside wanted: [SlotID: RoleConfiguration]) -> [SlotID: WorkerConfiguration] {
        var successors: [SlotID.Position: [WorkerConfiguration]] = [:]
        var isComing: Set<SlotID.Position> = []
        for (id, configuration) in wanted {
            guard case .worker(let worker) = configuration else { continue }
            successors[id.position, default: []].append(worker)
            if slots[id]?.machine.isReady != true { isComing.insert(id.position) }
        }
        guard !isComing.isEmpty else { return [:] }
        var all: [SlotID: WorkerConfiguration] = [:]
        for (id, slot) in slots where wanted[id] == nil && slot.machine.isReady && !slot.id.isHunter {
            guard case .worker(let old) = slot.configuration, !old.hasSingleton,
                isComing.contains(id.position), let next = successors[id.position],
                !next.contains(where: \.hasSingleton), let worker = old.following(next)
            else { continue }
            all[id] = worker
        }
        return all
    }

    /// Of these new workers, those that stand for ones with other plugins beside the same.
    func replacing(_ new: Set<SlotID>, among before: Set<SlotID>) -> Int {
        new.count { id in
            id.role == .worker && !id.isHunter
                && before.contains { old in
                    old.position == id.position && (old.plugin == nil || id.plugin == nil)
                }
        }
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
