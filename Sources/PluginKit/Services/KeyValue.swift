// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// Small durable values of this plugin, per site, the same for every worker (`hostd.kv/1`).
@HostActor
public struct KeyValue {
    /// When a value is written.
    public enum Condition: Sendable {
        /// Whatever is there.
        case always
        /// Only if there is none.
        case ifAbsent
        /// Only if it still has this version.
        case ifVersion(UInt64)

        fileprivate var version: UInt64 {
            switch self {
            case .always: 0
            case .ifAbsent: .max
            case .ifVersion(let version): version
            }
        }
    }

    /// A value and the number of its version.
    public struct Value: Sendable, Hashable {
        /// What was put; at most 64 KiB.
        public let bytes: [UInt8]
        /// For ``Condition/ifVersion(_:)``.
        public let version: UInt64
    }

    private struct Answer: Sendable {
        var status: Int32
        var value: [UInt8] = []
        var version: UInt64 = 0
    }

    let site: Site

    /// The value of a key; nil = none.
    public func get(_ key: String) async throws(HostError) -> Value? {
        guard let get = site.host.values?.pointee.get else {
            throw HostError(.unsupported, Host.Service.values.rawValue)
        }
        let answer = await run { host, fn, user in
            key.withSlice { get(host.table, site.handle, $0, fn, user) }
        }
        switch answer.status {
        case HOSTD_OK: return Value(bytes: answer.value, version: answer.version)
        case HOSTD_E_NOTFOUND: return nil
        default: throw HostError(status: answer.status, "reading the value \(key)")
        }
    }

    /// Writes a value; returns its new version once it is on disk.
    ///
    /// An empty value removes the key.
    ///
    /// `expires`: After so long the value is gone; nil = never.
    /// Throws ``HostError/Code/stale`` where `condition` doesn't hold.
    @discardableResult
    public func put(
        _ key: String,
        _ value: [UInt8],
        _ condition: Condition = .always,
        expires: Duration? = nil
    ) async throws(HostError) -> UInt64 {
        guard let put = site.host.values?.pointee.put else {
            throw HostError(.unsupported, Host.Service.values.rawValue)
        }
        // Not by way of milliseconds: as 32 bits they end after 49 days.
        let seconds = expires.map { UInt32(clamping: max(1, $0.components.seconds)) } ?? 0
        let answer = await run { host, fn, user in
            key.withSlice { key in
                value.withSlice { value in
                    put(host.table, site.handle, key, value, condition.version, seconds, fn, user)
                }
            }
        }
        guard answer.status == HOSTD_OK else { throw HostError(status: answer.status, "writing the value \(key)") }
        return answer.version
    }

    /// Removes a key.
    public func remove(_ key: String) async throws(HostError) { try await put(key, []) }

    private func run(
        _ start: (Host, @escaping hostd_kv_fn, UnsafeMutableRawPointer) -> hostd_op
    ) async -> Answer {
        let host = site.host
        return await HostCall.run(
            host,
            refused: { Answer(status: $0) },
            cancelled: Answer(status: HostError.Code.cancelled.value)
        ) { user in
            start(
                host,
                { user, _, status, value, version in
                    HostCall<Answer>.end(user) { Answer(status: status, value: [UInt8](value.bytes), version: version) }
                },
                user
            )
        }
    }
}

extension Site {
    /// Small durable values (`hostd.kv/1`).
    public var values: KeyValue { KeyValue(site: self) }
}
