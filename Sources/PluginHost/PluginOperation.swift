// SPDX-License-Identifier: Apache-2.0
import PluginABI

/// Something under way for a plugin that ends in a callback: what a `hostd_op` names.
protocol PluginOperation: AnyObject {
    /// 0 = the whole plugin's.
    var site: hostd_site { get }
    /// Lets go of what it holds; its callback must not run any more. On the loop.
    func abandon()
}

/// The operations under way, on the plugin's loop.
///
/// A callback may run only while its operation is in here: whoever is about to call back removes it first (a repeating one
/// looks it up), so that cancel() and the callback exclude each other.
struct OperationTable {
    private var operations = HandleTable<any PluginOperation>(capacity: 4096)

    var count: Int { operations.count }

    /// A positive number, or E_LIMIT.
    mutating func insert(_ operation: any PluginOperation) -> hostd_op {
        operations.insert(operation).map { hostd_op($0) } ?? hostd_op(HOSTD_E_LIMIT)
    }

    subscript(op: hostd_op) -> (any PluginOperation)? { op > 0 ? operations[UInt64(op)] : nil }

    /// The operation's callback runs now; false where it was cancelled.
    mutating func finish(_ op: hostd_op) -> Bool { op > 0 && operations.remove(UInt64(op)) != nil }

    /// For the caller to abandon, once the table is its own again: what is abandoned may look itself up in here.
    mutating func take(_ op: hostd_op) -> (any PluginOperation)? { op > 0 ? operations.remove(UInt64(op)) : nil }

    /// As `take`: those of one site, or all.
    mutating func takeAll(of site: hostd_site?) -> [any PluginOperation] {
        let entries = operations.entries.filter { site == nil || $0.value.site == site }
        return entries.compactMap { operations.remove($0.handle) }
    }
}
