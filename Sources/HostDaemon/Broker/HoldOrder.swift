// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore
import QueueStore

/// A worker's holds, in its order: of queues too that have never had an item, as a site that is opened holds what isn't
/// there yet.
///
/// On the broker's loop.
final class HoldOrder {
    private let core: BrokerCore
    /// Those whose names the store has to make first; others wait behind them.
    private var underWay = 0

    init(_ core: BrokerCore) { self.core = core }

    func put(_ site: SiteName, _ queue: QueueName, _ hold: @escaping (Source) -> Void) {
        if underWay == 0, let line = core.dispatcher.linesByName[queue.rawValue],
            let source = core.dispatcher.ids[site.rawValue].flatMap({ line.sources[$0] })
        {
            return hold(source)
        }
        underWay += 1
        let me = NIOLoopBound((order: self, hold: hold), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            (queue: try transaction.nameID(queue.rawValue), site: try transaction.nameID(site.rawValue))
        } completion: { result in
            let (order, hold) = me.value
            order.underWay -= 1
            // Without a store nothing is handed out that could be held.
            guard case .success(let ids) = result else { return }
            let dispatcher = order.core.dispatcher
            dispatcher.learn(ids.site, site.rawValue)
            hold(dispatcher.source(dispatcher.line(ids.queue, name: queue.rawValue), ids.site))
        }
    }
}
