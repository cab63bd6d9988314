// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore

extension WorkerConfiguration {
    /// Where it runs.
    var slot: SlotID { .worker(plugin, generation: generation, index: index) }

    /// It serves a queue of which each site has one worker at a time: it must not stand beside another generation's.
    var hasSingleton: Bool { descriptor.handlers.contains(where: \.isSingleton) }
}
