// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// How long an account has to rest, by the headers of an answer.
enum RateLimit {
    /// The length of Twitter's shortest window, for a 429 that names no end.
    static let window = Duration.seconds(900)
    private static let longest: Int64 = 86_400
    private static let families = ["x-rate-limit", "x-user-limit-24hour", "x-app-limit-24hour"]

    /// Until the last window is over that is used up; nil = none is.
    static func rest(_ headers: HTTPHeaders, now: UnixTime) -> Duration? {
        families.compactMap { family -> Duration? in
            guard headers["\(family)-remaining"] == "0" else { return nil }
            return reset(headers, family, now)
        }
        .max()
    }

    /// After a 429: it always has an end.
    static func restAfterRefusal(_ response: HTTPResponse, now: UnixTime) -> Duration {
        rest(response.headers, now: now) ?? reset(response.headers, families[0], now) ?? response.retryAfter ?? window
    }

    private static func reset(_ headers: HTTPHeaders, _ family: String, _ now: UnixTime) -> Duration? {
        guard let seconds = headers["\(family)-reset"].flatMap({ Int64($0) }) else { return nil }
        // A second more, as clocks differ; and a header may say anything.
        return .seconds(min(max(seconds.subtractingReportingOverflow(now.seconds).partialValue, 0), longest - 1) + 1)
    }
}
