// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import PluginHost
import QueueCore
import TestSupport
import WorkerLink

/// Takes note of what a plugin's instance gives to its broker.
final class FakeSink: ItemSink, Sendable {
    struct Hold: Hashable, Sendable {
        var queue: QueueName
        var lane: String
        var ms: UInt32
        var text: String
    }

    let results = EventLog<ItemResult>()
    let holds = EventLog<Hold>()
    let enqueued = EventLog<[NewItem]>()
    /// What an enqueue ends with.
    let enqueueError = NIOLockedValueBox<String?>(nil)
    private let lastDelivery = NIOLockedValueBox<UInt64>(0)

    func nextDelivery() -> UInt64 {
        lastDelivery.withLockedValue {
            $0 += 1
            return $0
        }
    }

    func settle(_ result: ItemResult) { results.append(result) }

    func enqueue(site: SiteName, _ items: [NewItem], completion: @escaping (String?) -> Void) {
        enqueued.append(items)
        completion(enqueueError.withLockedValue { $0 })
    }

    func hold(site: SiteName, queue: QueueName, lane: String, ms: UInt32, text: String) {
        holds.append(Hold(queue: queue, lane: lane, ms: ms, text: text))
    }
}
