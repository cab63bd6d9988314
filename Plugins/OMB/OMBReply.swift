// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit

/// What a remote site's answer to a post means (docs/protocols/omb.md has the table).
enum OMBReply: Equatable {
    static let version = "http://openmicroblogging.org/protocol/0.1"

    /// Delivered, and the remote side says that it speaks OMB.
    case confirmed
    /// 2xx without omb_version: delivered.
    case unconfirmed
    /// 403: this one subscription is over.
    case unsubscribed
    /// 401: this one token isn't accepted.
    case unauthorized
    /// Anything else: the target's answer for all its tokens.
    case other(Outcome)

    /// How long a lane rests after a 429 that doesn't say.
    private static let restAfter429 = Duration.seconds(60)

    init(_ response: HTTPResponse) {
        let text = "the target answered HTTP \(response.status)"
        switch response.status {
        case 200..<300: self = Self.isConfirmed(response.body) ? .confirmed : .unconfirmed
        case 300..<400:
            let location = response.headers["location"].map { " to \($0)" } ?? ""
            self = .other(.discard(.rejected, "\(text), a redirect\(location): OMB posts don't follow redirects"))
        case 401: self = .unauthorized
        case 403: self = .unsubscribed
        case 404, 410: self = .other(.discard(.gone, text))
        case 408, 425: self = .other(.retry(after: response.retryAfter, reason: .remote, text))
        case 429:
            let rest = response.retryAfter ?? Self.restAfter429
            self = .other(Outcome.defer(for: rest, reason: .rate, text).holding(for: rest))
        case 400..<500: self = .other(.discard(.rejected, text))
        default:
            let outcome = Outcome.retry(after: response.retryAfter, reason: .remote, text)
            self = .other(response.retryAfter.map { outcome.holding(for: $0) } ?? outcome)
        }
    }

    /// True where the body says omb_version, percent-encoded as a form or not, as servers differ.
    private static func isConfirmed(_ body: [UInt8]) -> Bool {
        let name = Array("omb_version=".utf8)
        guard body.count > name.count else { return false }
        for start in 0...(body.count - name.count) where body[start] == name[0] && body[start...].starts(with: name) {
            // Encoded, three times as long at most.
            let value = body[(start + name.count)...].prefix(version.utf8.count * 3)
            if PercentEncoding.decodeForm(value).starts(with: version.utf8) { return true }
        }
        return false
    }
}
