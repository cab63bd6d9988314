// SPDX-License-Identifier: Apache-2.0
import Crypto
import PluginABI
import QueueCore

/// A memcached server.
package struct CacheServer: Hashable, Sendable {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// What a plugin asks of the cache.
enum CacheRequest: Sendable, Equatable {
    case get
    /// `ttl` in seconds; 0 = no limit.
    case set([UInt8], ttl: UInt32, onlyIfAbsent: Bool)
    case increment(by: Int64, initial: UInt64, ttl: UInt32)
    case remove

    /// memcached takes no more than 1 MiB with key and header; the cache in memory is held to the same.
    static let maxValue = 1_000_000
}

struct CacheAnswer: Sendable, Equatable {
    /// HOSTD_OK, or E_NOTFOUND, E_STALE (it is there already), E_INVAL (not a number), E_LIMIT, E_TIMEOUT, E_IO.
    var status: Int32
    var value: [UInt8] = []
    var number: UInt64 = 0
}

/// Where the values of `hostd.cache/1` are: one contract, two places (`CacheContract` in the tests).
///
/// On the loop.
protocol CacheStore: AnyObject {
    /// Calls `done` on the loop, later, in the order of the requests.
    func perform(_ request: CacheRequest, key: String, done: @escaping (CacheAnswer) -> Void)
    func shutDown()
}

/// Keys by site and plugin, as memcached takes them: at most 250 bytes, no space or control character.
enum CacheKey {
    static let limit = 250

    static func make(site: SiteName, plugin: PluginName, key: String) -> String {
        let prefix = "hostd:\(site):\(plugin):"
        let isPlain =
            prefix.utf8.count + key.utf8.count <= limit && key.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
            && !key.hasPrefix("#")
        guard !isPlain else { return prefix + key }
        let hash = SHA256.hash(data: Array(key.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }
        return prefix + "#" + hash.joined()
    }
}

/// A counter as text: decimal digits, after which memcached leaves spaces where it has become shorter.
enum CacheCounter {
    /// nil where it is none.
    static func parse(_ value: some Collection<UInt8>) -> UInt64? {
        let digits = digits(value)
        guard !digits.isEmpty, digits.count <= 20 else { return nil }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }

    /// The value, for a counter without the spaces.
    static func trimmed(_ value: [UInt8]) -> [UInt8] {
        guard value.last == UInt8(ascii: " "), parse(value) != nil else { return value }
        return Array(digits(value))
    }

    /// Never below 0; over the top it starts anew.
    static func adding(_ delta: Int64, to number: UInt64) -> UInt64 {
        delta < 0 ? number - min(number, delta.magnitude) : number &+ delta.magnitude
    }

    /// Empty where something else than digits and then spaces is in it.
    private static func digits<Bytes: Collection<UInt8>>(_ value: Bytes) -> Bytes.SubSequence {
        let digits = value.prefix { (0x30...0x39).contains($0) }
        let isCounter = value.dropFirst(digits.count).allSatisfy { $0 == UInt8(ascii: " ") }
        return isCounter ? digits : value.prefix(0)
    }
}
