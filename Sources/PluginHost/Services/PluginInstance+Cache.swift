// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI

// hostd.cache/1. All [serial].
extension PluginInstance {
    func cacheGet(
        _ site: hostd_site,
        _ key: hostd_str,
        _ function: hostd_cache_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard function != nil else { return hostd_op(HOSTD_E_INVAL) }
        return cache(.get, site, key, function, user)
    }

    func cacheSet(
        _ site: hostd_site,
        _ key: hostd_str,
        _ value: hostd_str,
        _ ttlSeconds: UInt32,
        _ onlyIfAbsent: UInt32,
        _ function: hostd_cache_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard value.bytes.count <= CacheRequest.maxValue else { return hostd_op(HOSTD_E_LIMIT) }
        let request = CacheRequest.set(value.array, ttl: ttlSeconds, onlyIfAbsent: onlyIfAbsent != 0)
        return cache(request, site, key, function, user)
    }

    func cacheIncrement(
        _ site: hostd_site,
        _ key: hostd_str,
        _ delta: Int64,
        _ initial: UInt64,
        _ ttlSeconds: UInt32,
        _ function: hostd_cache_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        cache(.increment(by: delta, initial: initial, ttl: ttlSeconds), site, key, function, user)
    }

    func cacheRemove(
        _ site: hostd_site,
        _ key: hostd_str,
        _ function: hostd_cache_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        cache(.remove, site, key, function, user)
    }

    private func cache(
        _ request: CacheRequest,
        _ site: hostd_site,
        _ key: hostd_str,
        _ function: hostd_cache_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        guard let name = siteTable[site]?.nickname, !key.isEmpty else { return hostd_op(HOSTD_E_INVAL) }
        let op = operations.insert(PlainOperation(site: site))
        guard op > 0 else { return op }
        let key = CacheKey.make(site: name, plugin: settings.plugin, key: key.text)
        cache.perform(request, key: key) { answer in
            guard self.operations.finish(op), let function else { return }
            self.enter(.callback) {
                answer.value.withUnsafeBytes { bytes in
                    let text = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                    function(user, op, answer.status, hostd_str(ptr: text, len: bytes.count), answer.number)
                }
            }
        }
        return op
    }
}
