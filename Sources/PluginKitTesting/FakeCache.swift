// SPDX-License-Identifier: Apache-2.0

import PluginABI
public import PluginKit

/// The cache of a fake host: as a worker's own one, with a server that a test can take away.
public final class FakeCache: Sendable {
    private struct Key: Hashable {
        let site: String
        let name: String
    }

    private struct Value {
        var bytes: [UInt8]
        /// Milliseconds since 1970; nil = never.
        var expires: Int64?
    }

    private struct State {
        var values: [Key: Value] = [:]
        var failure: HostError.Code?
    }

    private let clock: VirtualClock
    private let state = Locked(State())

    init(_ clock: VirtualClock) { self.clock = clock }

    /// From now on every call fails so; nil = they work again.
    public func fail(_ code: HostError.Code?) { state.withLock { $0.failure = code } }

    /// What is under a key now.
    public func value(_ name: String, site: String = FakeHost.defaultSite) -> [UInt8]? {
        state.withLock { state in live(Key(site: site, name: name), &state)?.bytes }
    }

    /// Loses everything, as a cache may.
    public func clear() { state.withLock { $0.values = [:] } }

    func get(_ name: String, _ site: String) -> (status: Int32, value: [UInt8]) {
        perform { state in
            live(Key(site: site, name: name), &state).map { (HOSTD_OK, $0.bytes) } ?? (HOSTD_E_NOTFOUND, [])
        } failed: {
            ($0, [])
        }
    }

    func set(_ name: String, _ site: String, _ bytes: [UInt8], _ ttl: UInt32, onlyIfAbsent: Bool) -> Int32 {
        perform { state in
            let key = Key(site: site, name: name)
            guard !onlyIfAbsent || live(key, &state) == nil else { return HOSTD_E_STALE }
            state.values[key] = Value(bytes: bytes, expires: expiry(ttl))
            return HOSTD_OK
        } failed: {
            $0
        }
    }

    func increment(
        _ name: String,
        _ site: String,
        _ delta: Int64,
        _ initial: UInt64,
        _ ttl: UInt32
    ) -> (status: Int32, number: UInt64) {
        perform { state in
            let key = Key(site: site, name: name)
            guard let old = live(key, &state) else {
                state.values[key] = Value(bytes: Array(String(initial).utf8), expires: expiry(ttl))
                return (HOSTD_OK, initial)
            }
            guard let number = UInt64(String(decoding: old.bytes, as: UTF8.self)) else { return (HOSTD_E_INVAL, 0) }
            let new = delta < 0 ? number - min(number, delta.magnitude) : number &+ delta.magnitude
            state.values[key]?.bytes = Array(String(new).utf8)
            return (HOSTD_OK, new)
        } failed: {
            ($0, 0)
        }
    }

    func remove(_ name: String, _ site: String) -> Int32 {
        perform { state in
            let key = Key(site: site, name: name)
            guard live(key, &state) != nil else { return HOSTD_E_NOTFOUND }
            state.values[key] = nil
            return HOSTD_OK
        } failed: {
            $0
        }
    }

    private func perform<Result>(_ work: (inout State) -> Result, failed: (Int32) -> Result) -> Result {
        state.withLock { state in
            if let failure = state.failure { return failed(failure.status) }
            return work(&state)
        }
    }

    private func live(_ key: Key, _ state: inout State) -> Value? {
        guard let value = state.values[key] else { return nil }
        guard (value.expires ?? .max) > clock.now.milliseconds else {
            state.values[key] = nil
            return nil
        }
        return value
    }

    private func expiry(_ ttl: UInt32) -> Int64? { ttl > 0 ? clock.now.milliseconds + Int64(ttl) * 1000 : nil }
}
