// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// Stage 2: posts, repeats or deletes one status in one account's name.
@HostActor
struct TwitterDeliver: Handler {
    /// So long Twitter refuses the same text again, with a margin: it does for up to 12 hours.
    ///
    /// Later a repeat could be a second status, so nothing is sent.
    nonisolated static let dedupeWindow: Int64 = 11 * 3600

    private let state: TwitterSite

    init(_ state: TwitterSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        guard let job = TwitterJob(item.shared) else {
            return .discard(.badData, "the item's shared part isn't one that the queue twitter makes")
        }
        let account = String(decoding: item.payload, as: UTF8.self)
        let rows = try await state.site.recipients.get(author: job.author, target: account, for: item)
        guard let row = rows.first else {
            return .discard(.gone, "the author's account isn't connected any more", keep: false)
        }
        let session = TwitterSession(state: state, config: try state.config(for: item), row: row)
        do {
            switch job.action {
            case .delete(let id, let isRepeat):
                return try await delete(id, isRepeat: isRepeat, of: job.notice, session, item)
            case .post(let post):
                return try await self.post(post, of: job, session, item)
            }
        } catch let outcome as Outcome {
            // The session's own: the account is shut before anything was sent.
            if outcome.reason == .auth { state.tellStopped(account, outcome.text, item.log) }
            throw outcome
        }
    }

    // MARK: Posts

    private func post(
        _ post: TwitterJob.Post,
        of job: TwitterJob,
        _ session: TwitterSession,
        _ item: Item
    ) async throws
        -> Outcome
    {
        let options = AccountOptions(session.row.options)
        let account = session.row.target
        guard options.sends else { return .done }
        let statuses = state.statuses
        var repeated: String?
        if let uri = post.repeatOf {
            guard options.sendsRepeats else { return .done }
            repeated = try await statuses.status(of: uri, for: account)
        }
        var parent: String?
        if repeated == nil, let uri = post.replyTo { parent = try await statuses.status(of: uri, for: account) }
        guard repeated != nil || parent != nil || options.sendsReplies || !post.isReply else { return .done }

        let beginning = try await statuses.begin(job.notice, account, author: job.author, now: state.site.host.now)
        switch beginning {
        case .posted: return .done
        case .again(let since) where state.site.host.now.seconds - since > Self.dedupeWindow:
            return .discard(
                .other,
                "a post of this got no answer, too long ago for Twitter to tell a second one: look at the account, and "
                    + "requeue it if it isn't there"
            )
        case .first, .again: break
        }
        var attempt = Attempt(session, item, notice: job.notice, repeated: repeated)
        attempt.mayBeThere = item.mayBeDuplicate || beginning != .first
        return try await send(post, parent: parent, attempt)
    }

    /// One attempt to post a notice's status.
    private struct Attempt {
        let session: TwitterSession
        let item: Item
        let notice: String
        /// The status that is repeated, in place of a text.
        let repeated: String?
        /// An earlier request may have been carried out.
        var mayBeThere = false

        init(_ session: TwitterSession, _ item: Item, notice: String, repeated: String?) {
            self.session = session
            self.item = item
            self.notice = notice
            self.repeated = repeated
        }

        @HostActor var account: String { session.row.target }
    }

    private func send(_ post: TwitterJob.Post, parent: String?, _ attempt: Attempt) async throws -> Outcome {
        let (session, api) = (attempt.session, attempt.session.config.api)
        let request =
            attempt.repeated.map { api.repeatStatus($0, by: attempt.account) }
            ?? api.post(post.text, replyTo: parent, latitude: post.latitude, longitude: post.longitude)
        let reply: TwitterReply
        do {
            reply = try await session.send(request).reply
        } catch let error as HTTPError {
            if !error.maybeSent { try await withdraw(attempt) }
            return try Self.outcome(of: error)
        } catch {
            // Not sent at all: the account is shut, or its token is being refreshed.
            try await withdraw(attempt)
            throw error
        }
        switch reply {
        case .accepted(let json, let rest): return try await finish(attempt, json, rest)
        case .duplicate(let text):
            // A repeat that was there before is what was wanted; a text that was isn't this notice, unless an answer was
            // lost.
            if attempt.mayBeThere || attempt.repeated != nil { return try await finish(attempt, .null, nil) }
            try await withdraw(attempt)
            return .discard(.rejected, text)
        case .missingParent where parent != nil:
            // Better as a status of its own than not at all.
            return try await send(post, parent: nil, attempt)
        case .unclear(let text, let delay):
            let outcome = Outcome.retry(after: delay, reason: .remote, text, maybeDelivered: true)
            return delay.map { outcome.holding(for: $0) } ?? outcome
        default:
            try await withdraw(attempt)
            return refusal(reply, attempt.account, attempt.item)
        }
    }

    private func finish(_ attempt: Attempt, _ json: JSON, _ rest: Duration?) async throws -> Outcome {
        let isRepeat = attempt.repeated != nil
        // v2 answers a repeat without an id of its own; it is undone by the repeated one's, in v1.1 too.
        let posted = json["data"]?["id"]?.string ?? json["id_str"]?.string ?? json["id"]?.int.map { "\($0)" }
        let id = attempt.repeated ?? posted
        try await state.statuses.finish(attempt.notice, attempt.account, id: id, isRepeat: isRepeat)
        guard let rest else { return .done }
        var outcome = Outcome.done.holding(for: rest)
        outcome.text = "Twitter's limit for this account is used up"
        return outcome
    }

    /// Nothing of this attempt can be there; an earlier one's mark stays.
    private func withdraw(_ attempt: Attempt) async throws {
        if !attempt.mayBeThere { try await state.statuses.withdraw(attempt.notice, attempt.account) }
    }

    // MARK: Deletions

    private func delete(
        _ staged: String?,
        isRepeat: Bool,
        of notice: String,
        _ session: TwitterSession,
        _ item: Item
    ) async throws -> Outcome {
        let account = session.row.target
        var (known, isRepeat) = (staged, isRepeat)
        if known == nil {
            // Its post has ended by now: what came of it?
            let entry = try await state.statuses.entries(of: notice).first { $0.account == account }
            guard let entry else { return .done }
            (known, isRepeat) = (entry.id, entry.isRepeat)
        }
        guard let id = known else {
            return .discard(
                .other,
                "a post of the deleted notice got no answer, so that its status isn't known: look at the account, and "
                    + "delete it there"
            )
        }
        let reply: TwitterReply
        do {
            reply = try await session.send(session.config.api.delete(id, isRepeat: isRepeat, by: account)).reply
        } catch let error as HTTPError {
            return try Self.outcome(of: error)
        }
        switch reply {
        case .accepted, .missing:
            try await state.statuses.withdraw(notice, account)
            return .done
        case .unclear(let text, let delay): return .retry(after: delay, reason: .remote, text)
        default: return refusal(reply, account, item)
        }
    }

    // MARK: What isn't carried out

    private func refusal(_ reply: TwitterReply, _ account: String, _ item: Item) -> Outcome {
        switch reply {
        case .unauthorized(let text):
            let outcome = TwitterSite.shut(text)
            state.tellStopped(account, outcome.text, item.log)
            return outcome
        case .stopped(let reason, let text, let rest):
            state.tellStopped(account, text, item.log)
            return .defer(for: rest, reason: reason, text).holding(for: rest)
        case .limited(let text, let rest): return .defer(for: rest, reason: .rate, text).holding(for: rest)
        case .skewed(let text, _):
            state.site.log.error("Twitter doesn't accept this machine's time: set its clock", ["answer": text])
            let rest = RateLimit.window
            return .defer(for: rest, reason: .config, text).holding(for: rest)
        case .missing(let text): return .discard(.gone, text)
        case .missingParent(let text), .duplicate(let text): return .discard(.rejected, text)
        case .unclear(let text, let delay): return .retry(after: delay, reason: .remote, text, maybeDelivered: true)
        case .other(let outcome): return outcome
        // Every caller takes these itself.
        case .accepted: return .done
        }
    }

    private static func outcome(of error: HTTPError) throws -> Outcome {
        switch error.kind {
        case .denied: return .discard(.config, error.description)
        case .notStarted: return .defer(for: .seconds(1), error.description)
        case .tooLong: return .retry(reason: .remote, error.description, maybeDelivered: true)
        // PluginKit's own rule does it: a retry, and whether the request may have arrived.
        case .timeout, .network, .cancelled: throw error
        }
    }
}
