// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit

/// Stage 2: signs and posts one message to one URL, with the tokens of its subscriptions in turn until one is accepted.
///
/// Tokens are fetched now and never stored in items. An item that may be a duplicate is sent again: receivers tell by the
/// notice's URI.
@HostActor
struct OMBDeliver: Handler {
    /// A longer answer is no OMB server's.
    private static let maxAnswer = 65_536
    private static let headers = [(name: "Content-Type", value: "application/x-www-form-urlencoded")]

    private let state: OMBSite

    init(_ state: OMBSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        let site = state.site
        let target = item.withPayload { OMBTarget($0) }
        guard let uri = BaseURI(target.url) else {
            return .discard(.badData, "the recipient's URL isn't an http or https URL")
        }
        guard let layout = item.withShared({ OMBMessage.Layout($0) }) else {
            return .discard(.badData, "the item's shared part isn't one that the queues omb and profile make")
        }
        let author = item.withShared { layout.author(in: $0) }
        let recipients = try await site.recipients.get(author: author, target: target.recipient, for: item)
        let config = try state.config(for: item)
        var isUnauthorized = false
        for recipient in recipients {
            let credentials = recipient.credentials
            guard let token = credentials["token"]?.string, let secret = credentials["secret"]?.string else {
                isUnauthorized = true
                continue
            }
            let body = item.withShared { shared in
                config.signer.sign(
                    uri,
                    form: layout.form(in: shared),
                    base: layout.base(in: shared),
                    token: token,
                    tokenSecret: secret,
                    nonce: state.makeNonce(),
                    timestamp: site.host.now.seconds
                )
            }
            let request = HTTPRequest(
                "POST",
                uri.withoutQuery,
                headers: Self.headers,
                body: body,
                timeout: config.timeout,
                maxBody: Self.maxAnswer
            )
            let response: HTTPResponse
            do { response = try await site.http.send(request) } catch { return try outcome(of: error) }
            switch OMBReply(response) {
            case .confirmed:
                state.confirm(target.url)
                return .done
            case .unconfirmed: return state.acceptUnconfirmed(target.url)
            case .unauthorized: isUnauthorized = true
            case .unsubscribed: await remove(recipient, item)
            case .other(let outcome): return outcome
            }
        }
        if isUnauthorized { return .discard(.auth, "the target accepts none of the subscription's tokens (HTTP 401)") }
        // Nobody is left who wants it: nothing for an operator to look at.
        return .discard(.gone, "no subscription of this target is left", keep: false)
    }

    private func remove(_ recipient: Recipient, _ item: Item) async {
        do {
            try await state.site.recipients.remove(
                author: recipient.author,
                target: recipient.target,
                key: recipient.key,
                why: "the target answered HTTP 403"
            )
        } catch  where error.code == .notFound {
            // Somebody else was faster, or the notice brought its own list.
        } catch {
            item.log.warning("a cancelled subscription wasn't removed", ["error": error.description])
        }
    }

    private func outcome(of error: HTTPError) throws -> Outcome {
        switch error.kind {
        case .denied: return .discard(.config, error.description)
        case .notStarted: return .defer(for: .seconds(1), error.description)
        case .tooLong: return .retry(reason: .remote, error.description, maybeDelivered: true)
        // PluginKit's own rule does it: a retry, and whether the request may have arrived.
        case .timeout, .network, .cancelled: throw error
        }
    }
}
