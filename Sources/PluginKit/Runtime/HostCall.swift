// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// One operation of the host that a handler waits for, ended exactly once: by the host's callback or by cancellation.
///
/// The host holds one reference as `user` until its callback has run, or until it has said that it never will.
@HostActor
final class HostCall<Value: Sendable> {
    private let host: Host
    private let cancelled: Value
    private var continuation: UnsafeContinuation<Value, Never>?
    private var operation: hostd_op = 0
    private var isCancelled = false
    private var isOver = false

    private init(_ host: Host, cancelled: Value) {
        self.host = host
        self.cancelled = cancelled
    }

    /// Starts an operation and waits for its result.
    ///
    /// - `refused`: What a host that doesn't start the operation means, by its status.
    /// - `cancelled`: What a cancellation means.
    /// - `start`: Calls the host with `user` for its callback, which has to call `end(_:with:)`.
    static func run(
        _ host: Host,
        refused: (Int32) -> Value,
        cancelled: Value,
        start: (_ user: UnsafeMutableRawPointer) -> hostd_op
    ) async -> Value {
        let call = HostCall(host, cancelled: cancelled)
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                guard !call.isCancelled else {
                    continuation.resume(returning: cancelled)
                    return
                }
                let user = Unmanaged.passRetained(call)
                let operation = start(user.toOpaque())
                if operation > 0 {
                    call.operation = operation
                    call.continuation = continuation
                } else {
                    user.release()
                    call.isOver = true
                    continuation.resume(returning: refused(Int32(truncatingIfNeeded: operation)))
                }
            }
        } onCancel: {
            call.cancel()
        }
    }

    /// Ends the call; called by C callbacks of the host, which runs them on its serial thread and never inside `start`.
    nonisolated static func end(_ user: UnsafeMutableRawPointer?, with value: () -> Value) {
        guard let user else { return }
        let call = Unmanaged<HostCall>.fromOpaque(user).takeRetainedValue()
        HostExecutor.shared.enter()
        let value = value()
        HostActor.assumeIsolated { call.end(value) }
        HostExecutor.shared.leave()
    }

    private func end(_ value: Value) {
        guard !isOver else { return }
        isOver = true
        continuation?.resume(returning: value)
        continuation = nil
    }

    private nonisolated func cancel() {
        if HostExecutor.shared.isInside {
            HostActor.assumeIsolated { self.cancelInside() }
        } else {
            Task { @HostActor in self.cancelInside() }
        }
    }

    private func cancelInside() {
        isCancelled = true
        guard !isOver, continuation != nil else { return }
        let status = host.table.pointee.cancel?(host.table, operation) ?? HOSTD_E_UNSUPPORTED
        end(cancelled)
        // HOSTD_OK: the callback never runs, so its reference is ours again. Otherwise the host ended the operation by
        // itself, as at a site's close; should a callback come all the same it must find the object, so it stays.
        if status == HOSTD_OK { Unmanaged.passUnretained(self).release() }
    }
}
