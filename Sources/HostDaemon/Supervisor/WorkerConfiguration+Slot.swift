// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore

extension WorkerConfiguration {
    /// Where it runs.
    var slot: SlotID { .worker(self) }

    /// It serves a queue of which each site has one worker at a time: it must not stand beside another generation's.
    var hasSingleton: Bool {
        members.contains { member in
            member.descriptor.handlers.contains { $0.isSingleton && member.queues[$0.queue] != nil }
        }
    }
}
