// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI
import QueueCore
import RecipientDirectory

/// `hostd.kv/1`: small durable values of a plugin, per site; reads on the plugin's loop, writes on a thread of their own.
final class KeyValueService {
    let plugin: PluginName
    let writer: DatabaseThread<KeyValueWriter>
    private let path: String
    private var openReader: KeyValueReader?
    /// Puts of this process; now and then one also frees what is over.
    private var puts = 0
    private static let putsPerPurge = 256

    init(path: String, plugin: PluginName, loop: any EventLoop) {
        self.path = path
        self.plugin = plugin
        writer = DatabaseThread("hostd.kv", loop: loop) { try KeyValueWriter(path: path) }
    }

    /// Opened with the first use.
    ///
    /// On the loop.
    func reader() throws(RecipientDirectoryError) -> KeyValueReader {
        if let openReader { return openReader }
        let reader = try KeyValueReader(path: path)
        openReader = reader
        return reader
    }

    /// Whether the put at hand should also free the room of values whose time is over.
    func isPurgeDue() -> Bool {
        puts += 1
        return puts % Self.putsPerPurge == 0
    }
}

// All [serial].
extension PluginInstance {
    func keyValueGet(
        _ site: hostd_site,
        _ key: hostd_str,
        _ function: hostd_kv_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard let function else { return hostd_op(HOSTD_E_INVAL) }
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        guard let name = siteTable[site]?.nickname, !key.isEmpty else { return hostd_op(HOSTD_E_INVAL) }
        let op = operations.insert(PlainOperation(site: site))
        guard op > 0 else { return op }
        let key = key.text
        let result = Result { try keyValues.reader().get(name, keyValues.plugin, key, nowMs: HostClock.unixMs()) }
        answerLater(op) {
            switch result {
            case .success(let found?):
                found.value.withUnsafeBytes { bytes in
                    let value = hostd_str(ptr: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), len: bytes.count)
                    function(user, op, HOSTD_OK, value, found.version)
                }
            case .success(nil):
                function(user, op, HOSTD_E_NOTFOUND, .empty, 0)
            case .failure(let error):
                self.tellFailure("a value can't be read", error, name)
                function(user, op, RecipientService.status(of: error), .empty, 0)
            }
        }
        return op
    }

    func keyValuePut(
        _ site: hostd_site,
        _ key: hostd_str,
        _ value: hostd_str,
        _ version: UInt64,
        _ ttlSeconds: UInt32,
        _ function: hostd_kv_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        guard let name = siteTable[site]?.nickname, !key.isEmpty else { return hostd_op(HOSTD_E_INVAL) }
        guard value.bytes.count <= Int(HOSTD_MAX_VALUE) else { return hostd_op(HOSTD_E_LIMIT) }
        let op = operations.insert(PlainOperation(site: site))
        guard op > 0 else { return op }
        let (plugin, key, value) = (keyValues.plugin, key.text, value.array)
        let now = HostClock.unixMs()
        let purges = keyValues.isPurgeDue()
        keyValues.writer.run({ writer in
            if purges { try writer.purge(nowMs: now) }
            return try writer.put(name, plugin, key, value, version: version, ttlSeconds: ttlSeconds, nowMs: now)
        }) { result in
            guard self.operations.finish(op) else { return }
            var (status, newVersion) = (HOSTD_OK, UInt64(0))
            switch result {
            case .success(let version): newVersion = version
            case .failure(let error):
                status = RecipientService.status(of: error)
                if status != HOSTD_E_STALE { self.tellFailure("a value can't be written", error, name) }
            }
            guard let function else { return }
            self.callBack {
                value.withUnsafeBytes { bytes in
                    let stored = hostd_str(
                        ptr: bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                        len: bytes.count
                    )
                    function(user, op, status, status == HOSTD_OK ? stored : .empty, newVersion)
                }
            }
        }
        return op
    }
}
