// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKit

// `hostd.recipients/1` and `hostd.kv/1` of a fake host.

extension FakeExtensions {
    typealias HostPointer = UnsafePointer<hostd_host>?
    typealias User = UnsafeMutableRawPointer?

    /// The rows that a call sees: those that the delivery's notice brings along, or the directory's.
    private static func rows(_ fake: FakeHost, _ site: hostd_site, _ token: hostd_token) -> [Recipient] {
        let (own, name) = fake.state.withLock { ($0.deliveries[token]?.recipients, $0.siteName(site)) }
        return own ?? name.map { fake.recipients.all(site: $0) } ?? []
    }

    static let page:
        @convention(c) (
            HostPointer, hostd_site, hostd_token, hostd_str, hostd_str, UInt32, hostd_page_fn?, User
        ) -> hostd_op = { host, site, token, author, after, limit, function, user in
            guard let function else { return hostd_op(HOSTD_E_INVAL) }
            let fake = FakeHostTable.fake(host)
            let (rows, next) = FakeRecipients.page(
                FakeExtensions.rows(fake, site, token),
                author: author.string,
                after: after.string,
                limit: Int(limit)
            )
            let operation = fake.state.withLock { $0.addOperation(site) }
            let callback = Callback(function: function, user: user)
            fake.finish(operation) { FakeRecipients.deliver(rows, next: next, to: callback, operation) }
            return operation
        }

    static let getRecipient:
        @convention(c) (
            HostPointer, hostd_site, hostd_token, hostd_str, hostd_str, hostd_page_fn?, User
        ) -> hostd_op = { host, site, token, author, target, function, user in
            guard let function else { return hostd_op(HOSTD_E_INVAL) }
            let fake = FakeHostTable.fake(host)
            let (author, target) = (author.string, target.string)
            let rows = FakeExtensions.rows(fake, site, token).filter { $0.author == author && $0.target == target }
            let operation = fake.state.withLock { $0.addOperation(site) }
            let callback = Callback(function: function, user: user)
            fake.finish(operation) { FakeRecipients.deliver(rows, next: "", to: callback, operation) }
            return operation
        }

    static let putRecipient:
        @convention(c) (HostPointer, hostd_site, UnsafePointer<hostd_recipient>?, hostd_status_fn?, User) -> hostd_op =
            {
                host,
                site,
                row,
                function,
                user in
                guard let row, let function else { return hostd_op(HOSTD_E_INVAL) }
                let fake = FakeHostTable.fake(host)
                let recipient = Recipient(
                    author: row.pointee.author.string,
                    target: row.pointee.target.string,
                    key: row.pointee.key.string,
                    credentials: (try? JSON(parsing: [UInt8](row.pointee.credentials.bytes))) ?? [:],
                    options: (try? JSON(parsing: [UInt8](row.pointee.options.bytes))) ?? [:],
                    version: row.pointee.version + 1
                )
                let name = fake.state.withLock { $0.siteName(site) }
                let isStale =
                    row.pointee.version > 0
                    && !fake.recipients.all(site: name ?? "").contains {
                        $0.author == recipient.author && $0.target == recipient.target && $0.key == recipient.key
                            && $0.version == row.pointee.version
                    }
                let operation = fake.state.withLock { $0.addOperation(site) }
                let callback = Callback(function: function, user: user)
                fake.finish(operation) {
                    if let name, !isStale { fake.recipients.add(recipient, site: name) }
                    callback.function(callback.user, operation, isStale ? HOSTD_E_STALE : HOSTD_OK)
                }
                return operation
            }

    static let removeRecipient:
        @convention(c) (
            HostPointer, hostd_site, hostd_str, hostd_str, hostd_str, hostd_str, hostd_status_fn?, User
        ) -> hostd_op = { host, site, author, target, key, _, function, user in
            guard let function else { return hostd_op(HOSTD_E_INVAL) }
            let fake = FakeHostTable.fake(host)
            let (author, target, key) = (author.string, target.string, key.string)
            let name = fake.state.withLock { $0.siteName(site) } ?? ""
            let operation = fake.state.withLock { $0.addOperation(site) }
            let callback = Callback(function: function, user: user)
            fake.finish(operation) {
                let isGone = fake.recipients.remove(site: name, author: author, target: target, key: key)
                callback.function(callback.user, operation, isGone ? HOSTD_OK : HOSTD_E_NOTFOUND)
            }
            return operation
        }

    static let getValue: @convention(c) (HostPointer, hostd_site, hostd_str, hostd_kv_fn?, User) -> hostd_op = {
        host,
        site,
        key,
        function,
        user in
        guard let function else { return hostd_op(HOSTD_E_INVAL) }
        let fake = FakeHostTable.fake(host)
        let key = key.string
        let operation = fake.state.withLock { $0.addOperation(site) }
        let callback = Callback(function: function, user: user)
        fake.finish(operation) {
            let value = fake.value(key, site)
            (value?.bytes ?? []).withSlice { bytes in
                let status = value == nil ? HOSTD_E_NOTFOUND : HOSTD_OK
                callback.function(callback.user, operation, status, bytes, value?.version ?? 0)
            }
        }
        return operation
    }

    static let putValue:
        @convention(c) (
            HostPointer, hostd_site, hostd_str, hostd_str, UInt64, UInt32, hostd_kv_fn?, User
        ) -> hostd_op = { host, site, key, value, version, lifetime, function, user in
            guard let function else { return hostd_op(HOSTD_E_INVAL) }
            let fake = FakeHostTable.fake(host)
            let (key, bytes) = (key.string, [UInt8](value.bytes))
            let operation = fake.state.withLock { $0.addOperation(site) }
            let callback = Callback(function: function, user: user)
            fake.finish(operation) {
                let present = fake.value(key, site)?.version
                let isAllowed = version == 0 || (version == .max ? present == nil : present == version)
                let new = isAllowed ? fake.put(bytes, key, site, lifetime) : 0
                callback.function(callback.user, operation, isAllowed ? HOSTD_OK : HOSTD_E_STALE, hostd_str(), new)
            }
            return operation
        }
}

extension FakeHost {
    fileprivate func value(_ key: String, _ site: hostd_site) -> FakeHostState.Value? {
        let now = clock.now.milliseconds
        return state.withLock { state in
            let value = state.values[FakeHostState.Metric(name: key, site: state.siteName(site) ?? "")]
            return value.flatMap { $0.expires ?? .max > now ? $0 : nil }
        }
    }

    fileprivate func put(_ bytes: [UInt8], _ key: String, _ site: hostd_site, _ lifetime: UInt32) -> UInt64 {
        let now = clock.now.milliseconds
        return state.withLock { state in
            let version = state.newID()
            let value = FakeHostState.Value(
                bytes: bytes,
                version: version,
                expires: lifetime > 0 ? now + Int64(lifetime) * 1000 : nil
            )
            state.values[FakeHostState.Metric(name: key, site: state.siteName(site) ?? "")] =
                bytes.isEmpty ? nil : value
            return version
        }
    }
}
