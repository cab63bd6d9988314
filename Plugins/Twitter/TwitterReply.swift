// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// What an answer means (docs/protocols/twitter.md has the table).
enum TwitterReply: Equatable {
    /// Carried out; the answer's JSON, and how long the account rests where this was the last of its window.
    case accepted(JSON, rest: Duration?)
    /// There is such a status of this account already.
    case duplicate(String)
    /// What should be repeated or deleted isn't there.
    case missing(String)
    /// What should be answered isn't there.
    case missingParent(String)
    /// Our clock is wrong; by Twitter's it is this time.
    case skewed(String, UnixTime?)
    /// The account's credentials aren't accepted.
    case unauthorized(String)
    /// The account, or the application, may not post for now: its items are held, and somebody has to know.
    case stopped(Reason, String, for: Duration)
    /// Not now: the account wants less.
    case limited(String, for: Duration)
    /// Maybe carried out: something answered, but not as Twitter does, or it failed in the middle.
    case unclear(String, after: Duration?)
    /// Surely not carried out, for this item's own reasons or the remote side's.
    case other(Outcome)

    /// The account's user has to do something at Twitter.
    private static let lockedRest = Duration.seconds(6 * 3600)
    /// The limit of statuses a day ends piece by piece.
    private static let updateLimitRest = Duration.seconds(3600)

    init(_ response: HTTPResponse, now: UnixTime) {
        let problem = TwitterProblem(response)
        let text = problem.text
        if (200..<300).contains(response.status) {
            self = Self.success(response, problem, now: now)
            return
        }
        if let reply = Self.byCode(problem, response, now: now) {
            self = reply
            return
        }
        switch response.status {
        case 300..<400:
            let location = response.headers["location"].map { " to \($0)" } ?? ""
            self = .other(.discard(.config, "\(text), a redirect\(location): is base_url right?"))
        case 401: self = .unauthorized(text)
        case 402: self = .stopped(.config, text, for: Self.updateLimitRest)
        case 403: self = Self.forbidden(problem)
        case 404, 410: self = .missing(text)
        case 408, 425: self = .unclear(text, after: response.retryAfter)
        case 420, 429:
            // A month's quota, where the answer doesn't say when that begins anew.
            let isMonthly = problem.type.hasSuffix("usage-capped") && response.headers["x-rate-limit-reset"] == nil
            let rest = isMonthly ? Self.lockedRest : RateLimit.restAfterRefusal(response, now: now)
            self = .limited(text, for: rest)
        case 400..<500: self = .other(.discard(.rejected, text))
        case 503:
            let outcome = Outcome.retry(after: response.retryAfter, reason: .remote, text)
            self = .other(response.retryAfter.map { outcome.holding(for: $0) } ?? outcome)
        default: self = .unclear(text, after: response.retryAfter)
        }
    }

    private static func success(_ response: HTTPResponse, _ problem: TwitterProblem, now: UnixTime) -> TwitterReply {
        // A parked domain or a portal answers 200 to everything: only Twitter's JSON counts.
        guard let json = try? JSON(parsing: response.body), json.isAnswer else {
            return .unclear("Twitter answered HTTP \(response.status), but with no JSON that it would send", after: nil)
        }
        return .accepted(json, rest: RateLimit.rest(response.headers, now: now))
    }

    private static func byCode(_ problem: TwitterProblem, _ response: HTTPResponse, now: UnixTime) -> TwitterReply? {
        let text = problem.text
        for code in problem.codes {
            switch code {
            case 32, 89, 215: return .unauthorized(text)
            case 64, 226, 326: return .stopped(.auth, text, for: lockedRest)
            case 88: return .limited(text, for: RateLimit.restAfterRefusal(response, now: now))
            case 130: return .other(.retry(after: response.retryAfter, reason: .remote, text))
            case 131: return .unclear(text, after: response.retryAfter)
            case 135: return .skewed(text, response.headers["date"].flatMap { HTTPDate.parse($0) })
            case 34, 144: return .missing(text)
            case 185: return .limited(text, for: updateLimitRest)
            case 186: return .other(.discard(.rejected, text))
            case 187, 327: return .duplicate(text)
            case 385: return .missingParent(text)
            case 453: return .other(.discard(.config, text))
            default: continue
            }
        }
        return nil
    }

    /// v2 says in words what v1.1 says by codes.
    private static func forbidden(_ problem: TwitterProblem) -> TwitterReply {
        let text = problem.text
        if !problem.isJSON { return .other(.retry(reason: .remote, text)) }
        if problem.says("duplicate content") || problem.says("already retweeted") { return .duplicate(text) }
        if problem.says("deleted or not visible") { return .missingParent(text) }
        if problem.says("suspended") || problem.says("locked") { return .stopped(.auth, text, for: lockedRest) }
        let isApplications = [
            "client-forbidden", "unsupported-authentication", "oauth1-permissions", "not-authorized-for-resource",
        ]
        .contains { problem.type.hasSuffix($0) }
        return .other(.discard(isApplications ? .config : .rejected, text))
    }
}

extension JSON {
    /// True for what the API answers with: an object with content, or a list.
    fileprivate var isAnswer: Bool {
        switch self {
        case .array: true
        case .object(let members): !members.isEmpty
        default: false
        }
    }
}
