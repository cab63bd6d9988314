// SPDX-License-Identifier: Apache-2.0
package import QueueCore
package import WorkerLink

/// Where a plugin's work goes; the worker's `BrokerPort` is one.
///
/// PluginHost knows no broker.
///
/// Called on the plugin's loop, possibly from inside a call of the plugin into the host: an implementation takes note and
/// returns, it never calls back into the plugin's instance.
package protocol ItemSink: AnyObject {
    /// A delivery ended.
    func settle(_ result: ItemResult)
    /// Adds items outside a delivery; `completion` runs on the loop, later: nil = they are durable.
    func enqueue(site: SiteName, _ items: [NewItem], completion: @escaping (String?) -> Void)
    /// Gives nobody an item of this lane (empty: of this queue) for `ms`; 0 lets it go on at once.
    func hold(site: SiteName, queue: QueueName, lane: String, ms: UInt32, text: String)
}
