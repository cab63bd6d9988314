// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// What a file descriptor is ready for, or what one wants to hear of.
public struct DescriptorEvents: OptionSet, Sendable {
    /// The ABI's bits.
    public let rawValue: UInt32
    /// The ABI's bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// There is something to read, or the other end has closed.
    public static let read = DescriptorEvents(rawValue: HOSTD_FD_READ)
    /// There is room to write.
    public static let write = DescriptorEvents(rawValue: HOSTD_FD_WRITE)
    /// It failed; always told.
    public static let error = DescriptorEvents(rawValue: HOSTD_FD_ERROR)
}

/// The plugin's own file descriptors, watched by the host's loop (`hostd.loop/1`).
@HostActor
public struct Descriptors {
    let site: Site

    /// Calls `action` whenever the descriptor is ready (level-triggered), until the watch is cancelled.
    public func watch(
        _ descriptor: Int32,
        for events: DescriptorEvents,
        _ action: @escaping @HostActor (DescriptorEvents) -> Void
    ) throws(HostError) -> DescriptorWatch {
        try DescriptorWatch(site, descriptor, events, action)
    }
}

/// A file descriptor under watch.
///
/// The descriptor stays the plugin's: ``cancel()`` first, then close it.
@HostActor
public final class DescriptorWatch {
    private let host: Host
    private let action: @HostActor (DescriptorEvents) -> Void
    private var operation: hostd_op = 0
    private var isOver = false

    fileprivate init(
        _ site: Site,
        _ descriptor: Int32,
        _ events: DescriptorEvents,
        _ action: @escaping @HostActor (DescriptorEvents) -> Void
    ) throws(HostError) {
        host = site.host
        self.action = action
        guard let watch = host.loop?.pointee.watch else { throw HostError(.unsupported, Host.Service.loop.rawValue) }
        // The host holds one reference until the watch is cancelled.
        let user = Unmanaged.passRetained(self)
        operation = watch(
            host.table,
            site.handle,
            descriptor,
            events.rawValue,
            { user, _, _, events in DescriptorWatch.fire(user, DescriptorEvents(rawValue: events)) },
            user.toOpaque()
        )
        guard operation > 0 else {
            isOver = true
            user.release()
            throw HostError(status: Int32(truncatingIfNeeded: operation), "watching descriptor \(descriptor)")
        }
    }

    /// Listens for other events from now on.
    public func change(to events: DescriptorEvents) throws(HostError) {
        let status = host.loop?.pointee.rewatch?(host.table, operation, events.rawValue) ?? HOSTD_E_UNSUPPORTED
        guard status == HOSTD_OK else { throw HostError(status: status, "changing a descriptor's watch") }
    }

    /// Ends it; without effect once it is over.
    public func cancel() {
        guard !isOver else { return }
        isOver = true
        guard host.table.pointee.cancel?(host.table, operation) == HOSTD_OK else { return }
        Unmanaged.passUnretained(self).release()
    }

    private nonisolated static func fire(_ user: UnsafeMutableRawPointer?, _ events: DescriptorEvents) {
        guard let user else { return }
        let watch = Unmanaged<DescriptorWatch>.fromOpaque(user).takeUnretainedValue()
        HostExecutor.shared.enter()
        HostActor.assumeIsolated {
            if !watch.isOver { watch.action(events) }
        }
        HostExecutor.shared.leave()
    }
}

extension Site {
    /// Watches over the plugin's own file descriptors (`hostd.loop/1`).
    public var descriptors: Descriptors { Descriptors(site: self) }
}
