// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// One look at an account's home timeline: what is new becomes items of `tweetin`, oldest first.
///
/// The id of the newest one is stored only once the items are on disk, so a crash between the two imports again, and the
/// dedupe keys make nothing of it.
@HostActor
struct StatusImport {
    /// Twitter has no more than 800 statuses of a home timeline.
    private nonisolated static let maxPages = 8
    private nonisolated static let itemsPerCall = 200

    let state: TwitterSite
    let session: TwitterSession

    func run() async throws -> ImportResult {
        let (site, account, config) = (state.site, session.row.target, session.config)
        let key = "since \(account.prefix(64))"
        let stored = try await site.values.get(key)
        let since = stored.map { String(decoding: $0.bytes, as: UTF8.self) }
        var statuses: [ImportedStatus] = []
        var (page, rest): (String?, Duration?) = (nil, nil)
        for _ in 0..<Self.maxPages {
            let request = config.api.homeTimeline(of: account, since: since, page: page)
            let answer = try await ImportAnswer(session, request)
            guard case .json(let json, let pause) = answer else { return answer.result }
            guard let timeline = TimelinePage(json, api: config.api) else { return .failed }
            statuses += timeline.statuses
            (page, rest) = (timeline.next, pause)
            // The first look takes one page: it isn't for the past.
            guard page != nil, !timeline.statuses.isEmpty, since != nil, rest == nil else { break }
        }
        guard let newest = statuses.map(\.id).max(by: Self.isOlder) else { return rest.map { .rest($0) } ?? .done }
        var items: [NewItem] = []
        for status in statuses.sorted(by: { Self.isOlder($0.id, $1.id) }) where try await isWanted(status) {
            let frame = status.frame(site: site.name, account: account)
            let dedupeKey = "\(site.name) \(account) \(status.id)"
            items.append(NewItem(queue: ImportQueue.statuses, payload: frame.bytes, dedupeKey: dedupeKey))
        }
        for start in stride(from: 0, to: items.count, by: Self.itemsPerCall) {
            try await site.enqueue(Array(items[start..<min(start + Self.itemsPerCall, items.count)]))
        }
        state.countImported(items.count)
        // Where it has changed meanwhile, another worker did the same at the same time.
        let condition = stored.map { KeyValue.Condition.ifVersion($0.version) } ?? .ifAbsent
        _ = try await site.values.putIfUnchanged(key, Array(newest.utf8), condition)
        return rest.map { .rest($0) } ?? .done
    }

    private func isWanted(_ status: ImportedStatus) async throws -> Bool {
        if status.isProtected { return false }
        let own = session.config.ownApplication.lowercased()
        if !own.isEmpty, let source = status.source?.lowercased(), source.contains(own) { return false }
        return try await !state.statuses.isOwn(status.id)
    }

    /// Ids are numbers of up to 64 bits, as texts.
    private nonisolated static func isOlder(_ left: String, _ right: String) -> Bool {
        (left.utf8.count, left) < (right.utf8.count, right)
    }
}

/// One look at whom an account follows: each that wasn't there before becomes an item of `twitterfriends`.
@HostActor
struct FriendsImport {
    /// 25,000 follows at most in one look; the newest come first.
    private nonisolated static let maxPages = 25

    let state: TwitterSite
    let session: TwitterSession

    func run() async throws -> ImportResult {
        let (site, account, api) = (state.site, session.row.target, session.config.api)
        var (page, rest): (String?, Duration?) = (nil, nil)
        for _ in 0..<Self.maxPages {
            let answer = try await ImportAnswer(session, api.friends(of: account, page: page))
            guard case .json(let json, let pause) = answer else { return answer.result }
            guard let friends = FriendsPage(json, api: api) else { return .failed }
            var new: [NewItem] = []
            var keys: [String] = []
            for (id, user) in friends.users {
                let key = "friend \(account.prefix(64)) \(id.prefix(64))"
                guard try await site.values.get(key) == nil else { continue }
                let frame: JSON = [
                    "site": .string(site.name), "account": .string(account), "id": .string(id),
                    "nickname": user["username"] ?? user["screen_name"] ?? .null, "name": user["name"] ?? .null,
                    "user": user,
                ]
                let dedupeKey = "\(site.name) \(account) \(id)"
                new.append(NewItem(queue: ImportQueue.friends, payload: frame.bytes, dedupeKey: dedupeKey))
                keys.append(key)
            }
            try await site.enqueue(new)
            for key in keys { try await site.values.put(key, Array("1".utf8)) }
            (page, rest) = (friends.next, pause)
            guard page != nil, rest == nil else { break }
        }
        return rest.map { .rest($0) } ?? .done
    }
}

/// What Twitter says to one request of an import.
enum ImportAnswer {
    case json(JSON, rest: Duration?)
    case limited(Duration)
    case refused

    @HostActor
    init(_ session: TwitterSession, _ request: APIRequest) async throws {
        let reply: TwitterReply
        do {
            reply = try await session.send(request).reply
        } catch let outcome as Outcome {
            // The account is shut: no credentials, or none that can be refreshed.
            session.state.site.log.warning(
                "an account can't be imported",
                ["account": session.row.target, "reason": outcome.text]
            )
            self = .limited(outcome.delay ?? TwitterSite.shutRest)
            return
        }
        switch reply {
        case .accepted(let json, let rest): self = .json(json, rest: rest)
        case .limited(_, let rest): self = .limited(rest)
        case .unauthorized(let text), .stopped(_, let text, _):
            session.state.tellStopped(session.row.target, text, session.state.site.log)
            self = .limited(TwitterSite.shutRest)
        case .other(let outcome):
            session.state.site.log.warning(
                "an import was refused",
                ["account": session.row.target, "answer": outcome.text]
            )
            self = .refused
        case .duplicate(let text), .missing(let text), .missingParent(let text), .skewed(let text, _),
            .unclear(let text, _):
            session.state.site.log.warning("an import was refused", ["account": session.row.target, "answer": text])
            self = .refused
        }
    }

    var result: ImportResult {
        switch self {
        case .json: .done
        case .limited(let rest): .rest(rest)
        case .refused: .failed
        }
    }
}
