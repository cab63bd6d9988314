// SPDX-License-Identifier: Apache-2.0
import CMemcached
import PluginABI

#if canImport(Glibc)
import Glibc
#endif

/// libmemcached, for one thread: connections that last, consistent hashing, and no long wait for a server that is away.
final class MemcachedClient {
    /// What a server may take to connect or to answer.
    private static let timeoutMs: UInt64 = 250
    /// For so long a server that has failed isn't asked again: its keys fail at once.
    ///
    /// They don't move to another server, as
    /// counters would then be counted in two places.
    private static let restNs: Int64 = 2_000_000_000
    /// Above it memcached takes a time to live for a moment since 1970.
    private static let relativeLimit: UInt32 = 30 * 86_400

    private let memcached: UnsafeMutablePointer<memcached_st>
    /// Servers that have failed, until when they rest.
    private var resting: [OpaquePointer: Int64] = [:]

    /// nil where there is no memory.
    init?(_ servers: [CacheServer]) {
        guard let memcached = memcached_create(nil) else { return nil }
        self.memcached = memcached
        let behaviors: [(memcached_behavior_t, UInt64)] = [
            // Its increment knows an initial value and a time to live; the text protocol's doesn't.
            (MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1),
            (MEMCACHED_BEHAVIOR_TCP_NODELAY, 1),
            (MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1),
            (MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, Self.timeoutMs),
            (MEMCACHED_BEHAVIOR_POLL_TIMEOUT, Self.timeoutMs),
            (MEMCACHED_BEHAVIOR_SND_TIMEOUT, Self.timeoutMs * 1000),
            (MEMCACHED_BEHAVIOR_RCV_TIMEOUT, Self.timeoutMs * 1000),
            // Seconds; shorter than our own rest, so that ours decides.
            (MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 1),
        ]
        for (behavior, value) in behaviors { memcached_behavior_set(memcached, behavior, value) }
        for server in servers { memcached_server_add(memcached, server.host, in_port_t(server.port)) }
    }

    deinit { memcached_free(memcached) }

    func perform(_ request: CacheRequest, key: String) -> CacheAnswer {
        var key = key
        return key.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { bytes in perform(request, bytes) }
        }
    }

    private func perform(_ request: CacheRequest, _ key: UnsafeBufferPointer<CChar>) -> CacheAnswer {
        var code = MEMCACHED_SUCCESS
        let server = memcached_server_by_key(memcached, key.baseAddress, key.count, &code)
        if !resting.isEmpty, let server, let until = resting[server] {
            guard until < HostClock.monotonicNs() else { return CacheAnswer(status: HOSTD_E_IO) }
        }
        var answer = CacheAnswer(status: HOSTD_OK)
        (code, answer) = send(request, key)
        answer.status = status(of: code, request)
        if let server { note(server, answer.status) }
        return answer
    }

    private func send(
        _ request: CacheRequest,
        _ key: UnsafeBufferPointer<CChar>
    ) -> (memcached_return_t, CacheAnswer) {
        var code = MEMCACHED_SUCCESS
        var answer = CacheAnswer(status: HOSTD_OK)
        switch request {
        case .get:
            var (length, flags) = (0, UInt32(0))
            if let value = memcached_get(memcached, key.baseAddress, key.count, &length, &flags, &code) {
                answer.value = CacheCounter.trimmed(Array(UnsafeRawBufferPointer(start: value, count: length)))
                free(value)
            }
        case .set(let value, let ttl, let onlyIfAbsent):
            let store = onlyIfAbsent ? memcached_add : memcached_set
            code = value.withUnsafeBytes { bytes in
                let text = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                return store(memcached, key.baseAddress, key.count, text, bytes.count, Self.expiry(ttl), 0)
            }
        case .increment(let delta, let initial, let ttl):
            let add = delta < 0 ? memcached_decrement_with_initial : memcached_increment_with_initial
            code = add(
                memcached,
                key.baseAddress,
                key.count,
                delta.magnitude,
                initial,
                Self.expiry(ttl),
                &answer.number
            )
            if code != MEMCACHED_SUCCESS { answer.number = 0 }
        case .remove: code = memcached_delete(memcached, key.baseAddress, key.count, 0)
        }
        return (code, answer)
    }

    private func status(of code: memcached_return_t, _ request: CacheRequest) -> Int32 {
        switch code {
        case MEMCACHED_SUCCESS, MEMCACHED_STORED, MEMCACHED_DELETED, MEMCACHED_END: return HOSTD_OK
        case MEMCACHED_NOTFOUND: return HOSTD_E_NOTFOUND
        case MEMCACHED_DATA_EXISTS, MEMCACHED_NOTSTORED: return HOSTD_E_STALE
        case MEMCACHED_E2BIG, MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE: return HOSTD_E_LIMIT
        case MEMCACHED_TIMEOUT: return HOSTD_E_TIMEOUT
        case MEMCACHED_UNKNOWN_READ_FAILURE:
            // What libmemcached makes of the server's "not a number".
            if case .increment = request { return HOSTD_E_INVAL }
            return HOSTD_E_IO
        default: return HOSTD_E_IO
        }
    }

    private func note(_ server: OpaquePointer, _ status: Int32) {
        if status == HOSTD_E_IO || status == HOSTD_E_TIMEOUT {
            resting[server] = HostClock.monotonicNs() + Self.restNs
        } else if !resting.isEmpty {
            resting[server] = nil
        }
    }

    private static func expiry(_ ttl: UInt32) -> time_t {
        ttl <= relativeLimit ? time_t(ttl) : time(nil) + time_t(ttl)
    }
}
