// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKit

/// The tables that a fake host answers `get_extension` with.
///
/// Static: the host comes with each call.
enum FakeExtensions {
    static func table(of service: Host.Service) -> UnsafeRawPointer {
        switch service {
        case .http: UnsafeRawPointer(tables.http)
        case .loop: UnsafeRawPointer(tables.loop)
        case .recipients: UnsafeRawPointer(tables.recipients)
        case .values: UnsafeRawPointer(tables.values)
        case .stream: UnsafeRawPointer(tables.stream)
        case .cache: UnsafeRawPointer(tables.cache)
        case .metrics: UnsafeRawPointer(tables.metrics)
        }
    }

    /// Unchecked Sendable: built once, constant from then on.
    private struct Tables: @unchecked Sendable {
        let http = UnsafeMutablePointer<hostd_http>.allocate(capacity: 1)
        let loop = UnsafeMutablePointer<hostd_loop>.allocate(capacity: 1)
        let recipients = UnsafeMutablePointer<hostd_recipients>.allocate(capacity: 1)
        let values = UnsafeMutablePointer<hostd_kv_store>.allocate(capacity: 1)
        let stream = UnsafeMutablePointer<hostd_stream>.allocate(capacity: 1)
        let cache = UnsafeMutablePointer<hostd_cache>.allocate(capacity: 1)
        let metrics = UnsafeMutablePointer<hostd_metrics>.allocate(capacity: 1)
    }

    private static let tables: Tables = {
        let tables = Tables()
        tables.http.initialize(
            to: hostd_http(struct_size: structSize(hostd_http.self), reserved0: 0, send: send)
        )
        tables.loop.initialize(
            to: hostd_loop(
                struct_size: structSize(hostd_loop.self),
                reserved0: 0,
                timer: timer,
                watch: watch,
                rewatch: rewatch
            )
        )
        tables.recipients.initialize(
            to: hostd_recipients(
                struct_size: structSize(hostd_recipients.self),
                reserved0: 0,
                page: page,
                get: getRecipient,
                put: putRecipient,
                remove: removeRecipient
            )
        )
        tables.values.initialize(
            to: hostd_kv_store(
                struct_size: structSize(hostd_kv_store.self),
                reserved0: 0,
                get: getValue,
                put: putValue
            )
        )
        tables.stream.initialize(to: streamTable())
        tables.cache.initialize(to: cacheTable())
        tables.metrics.initialize(
            to: hostd_metrics(struct_size: structSize(hostd_metrics.self), reserved0: 0, define: define, record: record)
        )
        return tables
    }()

    private static func fake(_ host: HostPointer) -> FakeHost { FakeHostTable.fake(host) }

    private static let send:
        @convention(c) (HostPointer, UnsafePointer<hostd_http_request>?, hostd_http_fn?, User) -> hostd_op = {
            host,
            request,
            function,
            user in
            guard let request, let function else { return hostd_op(HOSTD_E_INVAL) }
            let fake = FakeExtensions.fake(host)
            let (answer, timeout) = fake.http.receive(request.pointee)
            let operation = fake.state.withLock { $0.addOperation(request.pointee.site) }
            let callback = Callback(function: function, user: user)
            let delay: Int64? =
                switch answer {
                case .respond, .fail: nil
                case .silence: timeout
                case .after(let delay, _): Int64(delay.wholeMilliseconds)
                }
            guard let delay else {
                fake.finish(operation) { FakeHTTP.deliver(answer, to: callback, operation) }
                return operation
            }
            let late: FakeHTTP.Answer = delay > timeout ? .silence : answer
            let timer = fake.clock.schedule(after: min(delay, timeout)) {
                guard fake.state.withLock({ $0.operations.removeValue(forKey: operation) }) != nil else { return }
                FakeHTTP.deliver(late, to: callback, operation)
            }
            fake.state.withLock { $0.operations[operation]?.timer = timer }
            return operation
        }

    private static let timer:
        @convention(c) (HostPointer, hostd_site, UInt32, UInt32, hostd_timer_fn?, User) -> hostd_op = {
            host,
            site,
            delay,
            period,
            function,
            user in
            guard let function else { return hostd_op(HOSTD_E_INVAL) }
            let fake = FakeExtensions.fake(host)
            let operation = fake.state.withLock { $0.addOperation(site) }
            let callback = Callback(function: function, user: user)
            let timer = fake.clock.schedule(after: Int64(delay), period: period > 0 ? Int64(period) : nil) {
                let isPending = fake.state.withLock { state in
                    defer { if period == 0 { state.operations[operation] = nil } }
                    return state.operations[operation] != nil
                }
                if isPending { callback.function(callback.user, operation) }
            }
            fake.state.withLock { $0.operations[operation]?.timer = timer }
            return operation
        }

    private static let watch: @convention(c) (HostPointer, hostd_site, Int32, UInt32, hostd_fd_fn?, User) -> hostd_op =
        {
            host,
            site,
            descriptor,
            events,
            function,
            user in
            guard let function else { return hostd_op(HOSTD_E_INVAL) }
            let callback = Callback(function: function, user: user)
            return FakeExtensions.fake(host).state.withLock { state in
                let operation = state.addOperation(site)
                state.watches[operation] = FakeHostState.Watch(
                    descriptor: descriptor,
                    events: DescriptorEvents(rawValue: events),
                    callback: callback
                )
                return operation
            }
        }

    private static let rewatch: @convention(c) (HostPointer, hostd_op, UInt32) -> Int32 = { host, operation, events in
        FakeExtensions.fake(host).state.withLock { state in
            guard state.watches[operation] != nil else { return HOSTD_E_STALE }
            state.watches[operation]?.events = DescriptorEvents(rawValue: events)
            return HOSTD_OK
        }
    }

    private static let define:
        @convention(c) (HostPointer, UInt32, hostd_str, hostd_str, UnsafeMutablePointer<UInt32>?) -> Int32 = {
            host,
            kind,
            name,
            _,
            id in
            let name = name.string
            id?.pointee = FakeExtensions.fake(host).state.withLock { state in
                state.metricDefinitions.append((name, kind == HOSTD_M_GAUGE))
                return UInt32(state.metricDefinitions.count - 1)
            }
            return HOSTD_OK
        }

    private static let record: @convention(c) (HostPointer, UInt32, hostd_site, Double) -> Int32 = {
        host,
        id,
        site,
        value in
        FakeExtensions.fake(host).state.withLock { state in
            guard Int(id) < state.metricDefinitions.count, let site = state.siteName(site) else { return HOSTD_E_INVAL }
            let (name, isGauge) = state.metricDefinitions[Int(id)]
            let metric = FakeHostState.Metric(name: name, site: site)
            state.metrics[metric] = isGauge ? value : state.metrics[metric, default: 0] + value
            return HOSTD_OK
        }
    }
}
