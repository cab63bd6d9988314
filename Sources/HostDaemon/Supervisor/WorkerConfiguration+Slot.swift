// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore

extension WorkerConfiguration {
    /// Where it runs.
    var slot: SlotID { .worker(self) }

    /// What it is to be told while `next` aren't ready to take its place: what they know of the plugins that both run.
    ///
    /// nil where they have no code in common, or one's code isn't the other's.
    func following(_ next: [WorkerConfiguration]) -> WorkerConfiguration? {
        let news = Dictionary(next.flatMap(\.members).map { ($0.plugin, $0) }) { first, _ in first }
        let common = members.compactMap { old in news[old.plugin].map { (old: old, new: $0) } }
        guard !common.isEmpty, common.allSatisfy({ $0.old.pluginPath == $0.new.pluginPath }) else { return nil }
        let followed = members.map { old in
            guard var new = news[old.plugin] else { return old.alone }
            (new.generation, new.isShared, new.others) = (old.generation, old.isShared, [])
            return new
        }
        guard var worker = followed.first else { return nil }
        worker.others = Array(followed.dropFirst())
        return worker
    }

    private var alone: WorkerConfiguration {
        var worker = self
        worker.others = []
        return worker
    }

    /// It serves a queue of which each site has one worker at a time: it must not stand beside another generation's.
    var hasSingleton: Bool {
        members.contains { member in
            member.descriptor.handlers.contains { $0.isSingleton && member.queues[$0.queue] != nil }
        }
    }
}
