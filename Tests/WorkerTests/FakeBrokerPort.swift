// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginHost
import QueueCore
import TestSupport
import Worker
import WorkerLink

/// No broker: delivers what a test gives it and takes note of what comes back.
///
/// Made and told on the worker's loop; its logs may be read anywhere.
final class FakeBrokerPort: BrokerPort {
    struct Notes: Sendable {
        let results = EventLog<ItemResult>()
        let sites = EventLog<String>()
        let ends = EventLog<String>()
    }

    let notes: Notes
    private weak var receiver: (any ClaimReceiver)?
    private let loop: any EventLoop

    init(loop: any EventLoop, notes: Notes) {
        self.loop = loop
        self.notes = notes
    }

    func start(_ receiver: any ClaimReceiver) {
        self.receiver = receiver
        let bound = NIOLoopBound(receiver, eventLoop: loop)
        loop.execute { bound.value.connected() }
    }

    func deliver(_ batch: DeliveredBatch) { receiver?.deliver(batch) }
    func settle(_ result: ItemResult) { notes.results.append(result) }

    func enqueue(site: SiteName, _ items: [NewItem], completion: @escaping (String?) -> Void) {
        loop.assumeIsolated().execute { completion(nil) }
    }

    func hold(site: SiteName, queue: QueueName, lane: String, ms: UInt32, text: String) {}
    func refuse(_ sites: [SiteName]) { notes.sites.append("refuse " + sites.map(\.rawValue).joined(separator: " ")) }
    func accept(_ sites: [SiteName]) { notes.sites.append("accept " + sites.map(\.rawValue).joined(separator: " ")) }

    func serve(_ queues: [QueueCredit]) {
        notes.sites.append("serve " + queues.map { "\($0.queue) \($0.sites)" }.joined(separator: " "))
    }

    func stop(_ done: @escaping () -> Void) {
        notes.ends.append("stopped")
        done()
    }
}
