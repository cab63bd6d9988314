// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The header `Date` of an answer: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
enum HTTPDate {
    static var now: String { text(of: time(nil)) }

    static func text(of moment: time_t) -> String {
        var (moment, parts) = (moment, tm())
        guard gmtime_r(&moment, &parts) != nil else { return "" }
        // The process keeps the C locale: days and months are English.
        var buffer = [CChar](repeating: 0, count: 64)
        let length = strftime(&buffer, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
        return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
