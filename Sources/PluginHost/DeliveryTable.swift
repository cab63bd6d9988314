// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import PluginABI
import QueueCore

/// The deliveries that are inside the plugin, by token.
///
/// Any thread may ask: complete() and stage() come from anywhere.
///
/// `@unchecked Sendable`: all state is behind the lock, which is never held while plugin code runs.
final class DeliveryTable: @unchecked Sendable {
    private let lock = NIOLock()
    private var calls: HandleTable<HandlerCall>

    init(capacity: Int) { calls = HandleTable(capacity: capacity) }

    var count: Int { lock.withLock { calls.count } }
    var all: [HandlerCall] { lock.withLock { calls.entries.map(\.value) } }

    subscript(token: hostd_token) -> HandlerCall? { lock.withLock { calls[token] } }

    /// The token, 0 where the table is full; it is written into the job before anybody can look the call up.
    func insert(_ call: HandlerCall) -> hostd_token {
        lock.withLock {
            guard let token = calls.insert(call) else { return 0 }
            call.job.pointee.token = token
            return token
        }
    }

    /// complete(): nil where the token is stale.
    func complete(_ token: hostd_token, _ outcome: Outcome) -> (HandlerCall, HandlerCallStateMachine.CompleteAction)? {
        lock.withLock {
            guard let call = calls[token] else { return nil }
            let action = call.machine.complete(outcome)
            if case .finish = action { _ = calls.remove(token) }
            return (call, action)
        }
    }

    /// handle() returned.
    func returned(_ call: HandlerCall, _ outcome: Outcome?) -> HandlerCallStateMachine.ReturnAction {
        lock.withLock {
            let action = call.machine.returned(outcome)
            if action != .await { _ = calls.remove(call.token) }
            return action
        }
    }

    /// The host ends it; false where its outcome is known already.
    func giveUp(_ call: HandlerCall) -> Bool {
        lock.withLock {
            guard call.machine.giveUp() else { return false }
            _ = calls.remove(call.token)
            return true
        }
    }

    func stage(_ token: hostd_token, _ add: (inout StagedItems) -> Int32) -> Int32 {
        lock.withLock {
            // After complete() nothing may be added any more.
            guard let call = calls[token], call.machine.state == .entered || call.machine.state == .pending else {
                return HOSTD_E_STALE
            }
            var staged = call.staged.take() ?? StagedItems()
            let status = add(&staged)
            call.staged = staged
            return status
        }
    }

    /// What was staged, once the call is out of the table.
    func takeStaged(_ call: HandlerCall) -> [NewItem] {
        call.staged.take()?.items ?? []
    }
}
