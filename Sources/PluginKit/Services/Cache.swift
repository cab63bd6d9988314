// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// Values that may be lost at any time, and counters, of this plugin, per site (`hostd.cache/1`).
///
/// Where the operator has set `cache.servers` they are memcached's and the same for every worker; else each worker has its
/// own. What must last belongs in ``Site/values``. Where a server is away calls fail with ``HostError/Code/io``: go on
/// without.
@HostActor
public struct Cache {
    private struct Answer: Sendable {
        var status: Int32
        var value: [UInt8] = []
        var number: UInt64 = 0
    }

    let site: Site

    /// The value of a key; nil = none.
    ///
    /// A counter's is its digits.
    public func get(_ key: String) async throws(HostError) -> [UInt8]? {
        let table = try table
        let answer = await run { host, fn, user in
            key.withSlice { table.pointee.get?(host.table, site.handle, $0, fn, user) }
        }
        switch answer.status {
        case HOSTD_OK: return answer.value
        case HOSTD_E_NOTFOUND: return nil
        default: throw HostError(status: answer.status, "reading \(key) from the cache")
        }
    }

    /// Writes a value, whatever is there.
    ///
    /// `ttl`: After so long, in whole seconds, it is gone; nil = never.
    public func set(_ key: String, _ value: [UInt8], ttl: Duration? = nil) async throws(HostError) {
        let status = try await write(key, value, ttl, onlyIfAbsent: false)
        guard status == HOSTD_OK else { throw HostError(status: status, "writing \(key) to the cache") }
    }

    /// Writes a value if there is none; false where there is one.
    ///
    /// Of all workers that try at once, one gets true (of this worker's handlers, where the cache is the worker's own).
    public func add(_ key: String, _ value: [UInt8], ttl: Duration? = nil) async throws(HostError) -> Bool {
        let status = try await write(key, value, ttl, onlyIfAbsent: true)
        guard status == HOSTD_OK || status == HOSTD_E_STALE else {
            throw HostError(status: status, "adding \(key) to the cache")
        }
        return status == HOSTD_OK
    }

    /// Adds to a counter and returns what it has then; no other worker's addition is lost.
    ///
    /// A counter never goes below 0. Throws ``HostError/Code/invalid`` where the key's value is no number.
    ///
    /// `initial`: What an absent counter becomes, without `by`.
    /// `ttl`: Of a counter that is made now; one that is there keeps its own.
    public func increment(
        _ key: String,
        by delta: Int64 = 1,
        initial: UInt64,
        ttl: Duration? = nil
    ) async throws(HostError) -> UInt64 {
        let table = try table
        let answer = await run { host, fn, user in
            key.withSlice {
                table.pointee.increment?(host.table, site.handle, $0, delta, initial, Self.seconds(ttl), fn, user)
            }
        }
        guard answer.status == HOSTD_OK else {
            throw HostError(status: answer.status, "adding to \(key) in the cache")
        }
        return answer.number
    }

    /// Removes a key; one that isn't there is no error.
    public func remove(_ key: String) async throws(HostError) {
        let table = try table
        let answer = await run { host, fn, user in
            key.withSlice { table.pointee.remove?(host.table, site.handle, $0, fn, user) }
        }
        guard answer.status == HOSTD_OK || answer.status == HOSTD_E_NOTFOUND else {
            throw HostError(status: answer.status, "removing \(key) from the cache")
        }
    }

    private var table: UnsafePointer<hostd_cache> {
        get throws(HostError) {
            guard let table = site.host.cache else { throw HostError(.unsupported, Host.Service.cache.rawValue) }
            return table
        }
    }

    /// Rounded up: nothing is forgotten early.
    private static func seconds(_ ttl: Duration?) -> UInt32 {
        ttl.map { max(1, UInt32((UInt64($0.wholeMilliseconds) + 999) / 1000)) } ?? 0
    }

    private func write(
        _ key: String,
        _ value: [UInt8],
        _ ttl: Duration?,
        onlyIfAbsent: Bool
    ) async throws(HostError) -> Int32 {
        let table = try table
        let answer = await run { host, fn, user in
            key.withSlice { key in
                value.withSlice { value in
                    table.pointee.set?(
                        host.table,
                        site.handle,
                        key,
                        value,
                        Self.seconds(ttl),
                        onlyIfAbsent ? 1 : 0,
                        fn,
                        user
                    )
                }
            }
        }
        return answer.status
    }

    private func run(
        _ start: (Host, @escaping hostd_cache_fn, UnsafeMutableRawPointer) -> hostd_op?
    ) async -> Answer {
        let host = site.host
        return await HostCall.run(
            host,
            refused: { Answer(status: $0) },
            cancelled: Answer(status: HostError.Code.cancelled.value)
        ) { user in
            start(
                host,
                { user, _, status, value, number in
                    HostCall<Answer>.end(user) { Answer(status: status, value: [UInt8](value.bytes), number: number) }
                },
                user
            ) ?? hostd_op(HOSTD_E_UNSUPPORTED)
        }
    }
}

extension Site {
    /// Values that may be lost, and shared counters (`hostd.cache/1`).
    public var cache: Cache { Cache(site: self) }
}
