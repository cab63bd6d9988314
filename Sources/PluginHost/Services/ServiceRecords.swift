// SPDX-License-Identifier: Apache-2.0
import CResolve

/// One server of a service (RFC 2782).
package struct ServiceRecord: Hashable, Sendable {
    package var priority: UInt16
    package var weight: UInt16
    package var port: UInt16
    /// Without the dot at its end; empty = the service is decidedly not offered.
    package var target: String

    package init(priority: UInt16, weight: UInt16, port: UInt16, target: String) {
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target
    }
}

/// SRV look-ups, and the order in which their servers are tried.
package enum ServiceRecords {
    /// The most servers of one service that are looked at.
    private static let limit = 64

    /// Asks DNS; empty where there are none, or no answer.
    ///
    /// Blocks, for seconds at worst.
    ///
    /// - `server`: An IPv4 address and port to ask; nil = as the system is set up.
    package static func lookUp(_ name: String, server: (address: String, port: UInt16)? = nil) -> [ServiceRecord] {
        var found = [cresolve_srv](repeating: cresolve_srv(), count: limit)
        let count =
            if let server {
                cresolve_srv_records(name, server.address, server.port, &found, Int32(limit))
            } else {
                cresolve_srv_records(name, nil, 0, &found, Int32(limit))
            }
        return found.prefix(max(0, Int(count))).map { record in
            let target = withUnsafeBytes(of: record.target) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            return ServiceRecord(priority: record.priority, weight: record.weight, port: record.port, target: target)
        }
    }

    /// By priority; within one, a server comes first as often as its weight says.
    static func ordered(
        _ records: [ServiceRecord],
        using random: inout some RandomNumberGenerator
    ) -> [ServiceRecord] {
        var ordered: [ServiceRecord] = []
        for priority in Set(records.map(\.priority)).sorted() {
            // Those without weight first, so that they have a small chance beside others (RFC 2782, "Weight").
            var rest = records.filter { $0.priority == priority }.sorted { $0.weight < $1.weight }
            while !rest.isEmpty {
                let total = rest.reduce(0) { $0 + Int($1.weight) }
                let mark = Int.random(in: 0...total, using: &random)
                var sum = 0
                let index = rest.firstIndex { record in
                    sum += Int(record.weight)
                    return sum >= mark
                }
                ordered.append(rest.remove(at: index ?? 0))
            }
        }
        return ordered
    }
}
