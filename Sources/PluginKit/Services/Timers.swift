// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// Timers of the host's loop (`hostd.loop/1`).
@HostActor
public struct Timers {
    let site: Site

    /// Waits.
    ///
    /// Ends early, with ``HostError/Code/cancelled``, where the task is cancelled.
    public func sleep(for duration: Duration) async throws(HostError) {
        let host = site.host
        guard let timer = host.loop?.pointee.timer else { throw HostError(.unsupported, Host.Service.loop.rawValue) }
        let status: Int32 = await HostCall.run(host, refused: { $0 }, cancelled: HostError.Code.cancelled.value) {
            user in
            timer(
                host.table,
                site.handle,
                duration.wholeMilliseconds,
                0,
                { user, _ in HostCall<Int32>.end(user) { HOSTD_OK } },
                user
            )
        }
        guard status == HOSTD_OK else { throw HostError(status: status, "sleep") }
    }

    /// Runs `action` once, after `duration`.
    @discardableResult
    public func after(_ duration: Duration, _ action: @escaping @HostActor () -> Void) throws(HostError) -> HostTimer {
        try HostTimer(site, delay: duration, period: nil, action)
    }

    /// Runs `action` each `period`, until it is cancelled or the site is closed.
    public func every(_ period: Duration, _ action: @escaping @HostActor () -> Void) throws(HostError) -> HostTimer {
        try HostTimer(site, delay: period, period: period, action)
    }
}

/// A timer that was started.
///
/// Letting go of it doesn't stop it.
@HostActor
public final class HostTimer {
    private let host: Host
    private let isPeriodic: Bool
    private let action: @HostActor () -> Void
    private var operation: hostd_op = 0
    private var isOver = false

    fileprivate init(
        _ site: Site,
        delay: Duration,
        period: Duration?,
        _ action: @escaping @HostActor () -> Void
    ) throws(HostError) {
        host = site.host
        isPeriodic = period != nil
        self.action = action
        guard let timer = host.loop?.pointee.timer else { throw HostError(.unsupported, Host.Service.loop.rawValue) }
        // The host holds one reference until the timer is over.
        let user = Unmanaged.passRetained(self)
        operation = timer(
            host.table,
            site.handle,
            delay.wholeMilliseconds,
            period?.wholeMilliseconds ?? 0,
            { user, _ in HostTimer.fire(user) },
            user.toOpaque()
        )
        guard operation > 0 else {
            isOver = true
            user.release()
            throw HostError(status: Int32(truncatingIfNeeded: operation), "starting a timer")
        }
    }

    /// Stops it; without effect once it is over.
    public func cancel() {
        guard !isOver else { return }
        isOver = true
        guard host.table.pointee.cancel?(host.table, operation) == HOSTD_OK else { return }
        Unmanaged.passUnretained(self).release()
    }

    private nonisolated static func fire(_ user: UnsafeMutableRawPointer?) {
        guard let user else { return }
        let timer = Unmanaged<HostTimer>.fromOpaque(user).takeUnretainedValue()
        HostExecutor.shared.enter()
        HostActor.assumeIsolated {
            guard !timer.isOver else { return }
            if !timer.isPeriodic {
                timer.isOver = true
                Unmanaged.passUnretained(timer).release()
            }
            timer.action()
        }
        HostExecutor.shared.leave()
    }
}

extension Site {
    /// Timers (`hostd.loop/1`).
    public var timers: Timers { Timers(site: self) }
}
