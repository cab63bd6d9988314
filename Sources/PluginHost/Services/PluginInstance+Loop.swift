// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI

// hostd.loop/1: timers and file descriptors of a plugin. All [serial].
extension PluginInstance {
    func timer(
        _ site: hostd_site,
        _ delayMs: UInt32,
        _ periodMs: UInt32,
        _ function: hostd_timer_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard let function else { return hostd_op(HOSTD_E_INVAL) }
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        let timer = TimerOperation(site: site)
        let op = operations.insert(timer)
        guard op > 0 else { return op }
        let delay = TimeAmount.milliseconds(Int64(delayMs))
        let bound = NIOLoopBound((function, user), eventLoop: loop)
        if periodMs == 0 {
            let scheduled = loop.scheduleTask(in: delay) {
                let (function, user) = bound.value
                guard self.operations.finish(op) else { return }
                self.enter(.callback) { function(user, op) }
            }
            timer.stop = { scheduled.cancel() }
        } else {
            let period = TimeAmount.milliseconds(Int64(periodMs))
            let repeated = loop.scheduleRepeatedTask(initialDelay: delay, delay: period) { _ in
                let (function, user) = bound.value
                guard self.operations[op] != nil else { return }
                self.enter(.callback) { function(user, op) }
            }
            timer.stop = { repeated.cancel() }
        }
        return op
    }

    func watch(
        _ site: hostd_site,
        _ fd: Int32,
        _ events: UInt32,
        _ function: hostd_fd_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard let function, fd >= 0, DescriptorWatcher.isLegal(events) else { return hostd_op(HOSTD_E_INVAL) }
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        let watch = WatchOperation(site: site, fd: fd, events: events, watcher: descriptors)
        let op = operations.insert(watch)
        guard op > 0 else { return op }
        watch.op = op
        let bound = NIOLoopBound((watch, function, user), eventLoop: loop)
        let loop = loop
        let isWatching = descriptors.add(op, fd: fd, events: events) { [self] ready in
            loop.execute {
                let (watch, function, user) = bound.value
                guard self.operations[op] === watch else { return }
                self.enter(.callback) { function(user, op, watch.fd, ready) }
                // Level-triggered: looked at again once the plugin has had its turn.
                if self.operations[op] === watch { self.descriptors.arm(op, events: watch.events) }
            }
        }
        guard isWatching else {
            _ = operations.finish(op)
            return hostd_op(HOSTD_E_FAIL)
        }
        return op
    }

    func rewatch(_ op: hostd_op, _ events: UInt32) -> Int32 {
        guard loop.inEventLoop else { return HOSTD_E_THREAD }
        guard DescriptorWatcher.isLegal(events) else { return HOSTD_E_INVAL }
        guard let watch = operations[op] as? WatchOperation else { return HOSTD_E_STALE }
        watch.events = events
        descriptors.arm(op, events: events)
        return HOSTD_OK
    }
}

private final class TimerOperation: PluginOperation {
    let site: hostd_site
    var stop: () -> Void = {}
    init(site: hostd_site) { self.site = site }
    func abandon() { stop() }
}

private final class WatchOperation: PluginOperation {
    let site: hostd_site
    let fd: Int32
    var op: hostd_op = 0
    var events: UInt32
    private let watcher: DescriptorWatcher

    init(site: hostd_site, fd: Int32, events: UInt32, watcher: DescriptorWatcher) {
        self.site = site
        self.fd = fd
        self.events = events
        self.watcher = watcher
    }

    func abandon() { watcher.remove(op) }
}
