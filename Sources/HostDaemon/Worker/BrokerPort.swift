// SPDX-License-Identifier: Apache-2.0
package import PluginHost
package import QueueCore
package import WorkerLink

/// Claims in, results out: a worker's way to whoever keeps the items.
///
/// `EmbeddedBrokerPort` beside this is one, tests have a memory one, external brokers will be others;
/// Tests/BrokerContractTests holds all of them to one contract.
///
/// Confined to the worker's loop. What it is told (`ItemSink` included) it takes note of and returns; it never calls the
/// receiver from within. It reconnects by itself, for ever.
package protocol BrokerPort: ItemSink {
    /// Begins to claim; `receiver` hears of it, later.
    func start(_ receiver: any ClaimReceiver)
    /// Sends these sites no more items; empty = all, for good. What comes all the same is given back.
    func refuse(_ sites: [SiteName])
    /// Takes items of these sites again.
    func accept(_ sites: [SiteName])
    /// Serves these queues from now on, in the place of those that it began with.
    func serve(_ queues: [QueueCredit])
    /// Writes out all that was settled, then ends; `done` runs once the broker has it for good, or can't be reached.
    func stop(_ done: @escaping () -> Void)
}

/// What comes out of a `BrokerPort`.
///
/// On the worker's loop.
package protocol ClaimReceiver: AnyObject {
    /// Claiming has begun, or begun anew.
    func connected()
    func deliver(_ batch: DeliveredBatch)
    /// These deliveries should end soon: nobody wants them done any more.
    func cancel(_ deliveries: [UInt64])
    /// Claiming is interrupted: what waits for its handler is dropped, and will be delivered anew by somebody.
    ///
    /// Returns the deliveries whose handlers were entered: their outcomes are settled as ever.
    func interrupted() -> Set<UInt64>
}
