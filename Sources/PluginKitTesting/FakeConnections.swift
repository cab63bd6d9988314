// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKit

// `hostd.stream/1` and `hostd.cache/1` of a fake host.

extension FakeExtensions {
    static let connect:
        @convention(c) (HostPointer, UnsafePointer<hostd_stream_request>?, hostd_stream_fn?, User) -> hostd_op = {
            host,
            request,
            function,
            user in
            guard let request = request?.pointee, let function, request.host.len > 0 else {
                return hostd_op(HOSTD_E_INVAL)
            }
            let fake = FakeHostTable.fake(host)
            let operation = fake.state.withLock { $0.addOperation(request.site) }
            let callback = Callback(function: function, user: user)
            fake.streams.open(FakeStream(StreamRequest(request), operation, callback, fake))
            return operation
        }

    private static func stream(
        _ host: HostPointer,
        _ operation: hostd_op,
        _ body: (FakeStream) -> Int32
    ) -> Int32 {
        let fake = FakeHostTable.fake(host)
        guard let stream = fake.streams.find(operation), !stream.isOver else { return HOSTD_E_STALE }
        return body(stream)
    }

    static func streamTable() -> hostd_stream {
        hostd_stream(
            struct_size: structSize(hostd_stream.self),
            reserved0: 0,
            connect: connect,
            pause: { host, operation, on in FakeExtensions.stream(host, operation) { $0.pause(on != 0) } },
            start_tls: { host, operation in FakeExtensions.stream(host, operation) { $0.startTLS() } },
            write: { host, operation, bytes in
                FakeExtensions.stream(host, operation) { $0.write([UInt8](bytes.bytes)) }
            },
            close: { host, operation in FakeExtensions.stream(host, operation) { $0.close() } }
        )
    }

    /// Runs `work` later, on the host's thread, and calls back with its result.
    private static func cache(
        _ host: HostPointer,
        _ site: hostd_site,
        _ function: hostd_cache_fn?,
        _ user: User,
        _ work: @escaping @Sendable (FakeCache, String) -> (status: Int32, value: [UInt8], number: UInt64)
    ) -> hostd_op {
        let fake = FakeHostTable.fake(host)
        guard let name = fake.state.withLock({ $0.siteName(site) }) else { return hostd_op(HOSTD_E_STALE) }
        let operation = fake.state.withLock { $0.addOperation(site) }
        let callback = Callback(function: function, user: user)
        fake.finish(operation) {
            let answer = work(fake.cache, name)
            answer.value.withSlice { callback.function?(callback.user, operation, answer.status, $0, answer.number) }
        }
        return operation
    }

    static func cacheTable() -> hostd_cache {
        hostd_cache(
            struct_size: structSize(hostd_cache.self),
            reserved0: 0,
            get: { host, site, key, function, user in
                let key = key.string
                return FakeExtensions.cache(host, site, function, user) { cache, site in
                    let (status, value) = cache.get(key, site)
                    return (status, value, 0)
                }
            },
            set: { host, site, key, value, ttl, onlyIfAbsent, function, user in
                let (key, value) = (key.string, [UInt8](value.bytes))
                return FakeExtensions.cache(host, site, function, user) { cache, site in
                    (cache.set(key, site, value, ttl, onlyIfAbsent: onlyIfAbsent != 0), [], 0)
                }
            },
            increment: { host, site, key, delta, initial, ttl, function, user in
                let key = key.string
                return FakeExtensions.cache(host, site, function, user) { cache, site in
                    let (status, number) = cache.increment(key, site, delta, initial, ttl)
                    return (status, [], number)
                }
            },
            remove: { host, site, key, function, user in
                let key = key.string
                return FakeExtensions.cache(host, site, function, user) { cache, site in
                    (cache.remove(key, site), [], 0)
                }
            }
        )
    }
}

extension StreamRequest {
    fileprivate init(_ request: hostd_stream_request) {
        self.init(host: request.host.string, port: Int(request.port))
        srv = request.srv.len > 0 ? request.srv.string : nil
        usesTLS = request.flags & HOSTD_S_TLS != 0
        tlsName = request.tls_name.len > 0 ? request.tls_name.string : nil
        caFile = request.ca_file.len > 0 ? request.ca_file.string : nil
        isTrusted = request.flags & HOSTD_S_TRUSTED != 0
        timeout = request.timeout_ms > 0 ? .milliseconds(request.timeout_ms) : nil
    }
}
