// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import PluginHost

/// Deliveries that the broker wants to end: a target was blocked, a notice deleted.
@Suite struct CancelTests {
    @Test("Of a batch that is cancelled, those whose handlers weren't entered yet are given back unentered")
    func waiting() async throws {
        let plugin = try await HostedPlugin()
        // More than are entered in one turn of the loop.
        let ids = (0..<40).map { _ in plugin.sink.nextDelivery() }
        try await plugin.onLoop { instance in
            var bytes = ByteBuffer()
            let payload = bytes.appendSpan("done")
            let items = ids.map { id in
                var item = DeliveredItem(id: id, item: id + 1000, site: HostedPlugin.site, queue: HostedPlugin.queue)
                item.payload = payload
                return item
            }
            instance.deliver(DeliveredBatch(bytes: bytes, items: items))
            instance.cancel(deliveries: Array(ids.dropFirst(36)))
        }
        let results = try await plugin.sink.results.first(40, "results")
        #expect(results.filter { $0.outcome.code == .giveBack }.map(\.id) == Array(ids.suffix(4)))
        #expect(results.count { $0.outcome.code == .done } == 36)
    }
}
