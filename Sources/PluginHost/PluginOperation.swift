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

    mutating func cancel(_ op: hostd_op) -> Int32 {
        guard op > 0, let operation = operations.remove(UInt64(op)) else { return HOSTD_E_STALE }
        operation.abandon()
        return HOSTD_OK
    }

    /// Ends those of one site, or all.
    mutating func cancelAll(of site: hostd_site?) {
        for (handle, operation) in operations.entries where site == nil || operation.site == site {
            _ = operations.remove(handle)
            operation.abandon()
        }
    }
}
