// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit

/// Sends requests in an account's name: signed with its OAuth 1.0a token, or with its OAuth 2 one, which it refreshes.
@HostActor
struct TwitterSession {
    /// Refreshed before it ends, so that no request is lost to it: seconds.
    private static let margin: Int64 = 60
    /// A longer answer than a page of 200 statuses with all their entities isn't one.
    private static let maxAnswer = 8 << 20

    let state: TwitterSite
    let config: TwitterConfig
    let row: Recipient

    private var site: Site { state.site }

    /// Sends a request, with a refreshed token or a corrected clock where that helps: each once.
    ///
    /// Throws an ``Outcome`` where the account can't be used now, or an ``HTTPError`` where there is no answer.
    func send(_ request: APIRequest) async throws -> (reply: TwitterReply, response: HTTPResponse) {
        let credentials = row.credentials
        if let token = credentials["token"]?.string, let secret = credentials["secret"]?.string {
            return try await sendSigned(request, token: token, secret: secret)
        }
        guard var held = try await state.tokens.token(of: row) else {
            throw TwitterSite.shut("the account has no credentials: neither token and secret, nor access_token")
        }
        let now = site.host.now
        if let expires = held.token.expires, expires - Self.margin <= now.seconds, held.token.refresh != nil {
            held = try await refreshed(held)
        }
        let first = try await send(request, authorization: "Bearer \(held.token.access)")
        guard case .unauthorized = first.reply, held.token.refresh != nil, !config.clientID.isEmpty else {
            return first
        }
        held = try await refreshed(held)
        return try await send(request, authorization: "Bearer \(held.token.access)")
    }

    private func sendSigned(
        _ request: APIRequest,
        token: String,
        secret: String
    ) async throws -> (reply: TwitterReply, response: HTTPResponse) {
        guard !config.consumerKey.isEmpty else {
            throw TwitterSite.shut("the account's token is one of OAuth 1.0a: set consumer_key and consumer_secret")
        }
        let credentials = OAuthCredentials(
            consumerKey: config.consumerKey,
            consumerSecret: config.consumerSecret,
            token: token,
            tokenSecret: secret
        )
        let first = try await send(request, authorization: try header(request, credentials))
        guard case .skewed(_, let time?) = first.reply else { return first }
        state.setClock(by: time)
        return try await send(request, authorization: try header(request, credentials))
    }

    private func header(_ request: APIRequest, _ credentials: OAuthCredentials) throws -> String {
        var parameters: [Parameter] = []
        if case .form(let form) = request.body { parameters = form }
        let signed = SignedRequest(
            method: request.method,
            url: url(request),
            parameters: parameters,
            credentials: credentials,
            nonce: String(decoding: state.makeNonce(), as: UTF8.self),
            timestamp: state.twitterNow.seconds
        )
        guard let signed else { throw Outcome.discard(.config, "base_url isn't an http or https URL") }
        return signed.authorizationHeader()
    }

    private func url(_ request: APIRequest) -> String {
        let query = String(decoding: Parameter.join(request.query), as: UTF8.self)
        return config.baseURL + request.path + (query.isEmpty ? "" : "?" + query)
    }

    private func send(
        _ request: APIRequest,
        authorization: String
    ) async throws -> (reply: TwitterReply, response: HTTPResponse) {
        var headers = [(name: "Authorization", value: authorization), (name: "Accept", value: "application/json")]
        var body: [UInt8] = []
        switch request.body {
        case .none: break
        case .json(let json):
            headers.append((name: "Content-Type", value: "application/json"))
            body = json.bytes
        case .form(let form):
            headers.append((name: "Content-Type", value: "application/x-www-form-urlencoded"))
            body = Parameter.join(form)
        }
        let response = try await post(request.method, url(request), headers, body)
        return (TwitterReply(response, now: site.host.now), response)
    }

    private func post(
        _ method: String,
        _ url: String,
        _ headers: [(name: String, value: String)],
        _ body: [UInt8]
    ) async throws(HTTPError) -> HTTPResponse {
        var request = HTTPRequest(
            method,
            url,
            headers: headers,
            body: body,
            timeout: config.timeout,
            maxBody: Self.maxAnswer
        )
        request.isTrusted = true
        return try await site.http.send(request)
    }
}

// OAuth 2 (RFC 6749 section 6).
extension TwitterSession {
    /// A new token in place of `old`: by this worker, or by another that was faster.
    private func refreshed(_ old: TokenStore.Held) async throws -> TokenStore.Held {
        guard let spent = old.token.refresh else { return old }
        guard !config.clientID.isEmpty else {
            throw TwitterSite.shut("the account's token is over: set client_id, so that it can be refreshed")
        }
        guard let version = try await state.tokens.claim(old, of: row, now: site.host.now) else {
            // Somebody else has the claim, or has stored a new token by now.
            if let current = try await state.tokens.token(of: row), current.token.access != old.token.access {
                return current
            }
            throw Outcome.defer(for: .seconds(2), "the account's token is being refreshed")
        }
        let token = try await spend(spent, old.token, version)
        do {
            if let stored = try await state.tokens.store(token, of: row, version: version) {
                return TokenStore.Held(token: token, claimedUntil: 0, version: stored)
            }
            throw Outcome.defer(for: .seconds(2), "the account's token was refreshed by somebody else, too")
        } catch let error as HostError {
            site.log.error(
                "a refreshed token can't be stored: the account may have to be connected again",
                ["account": row.target, "error": error.description]
            )
            return TokenStore.Held(token: token, claimedUntil: 0, version: version)
        }
    }

    private func spend(_ refresh: String, _ old: TokenStore.Token, _ version: UInt64) async throws -> TokenStore.Token {
        var form = [Parameter("grant_type", "refresh_token"), Parameter("refresh_token", refresh)]
        var headers = [(name: "Content-Type", value: "application/x-www-form-urlencoded")]
        if config.clientSecret.isEmpty {
            form.append(Parameter("client_id", config.clientID))
        } else {
            let pair =
                PercentEncoding.encode(config.clientID) + Array(":".utf8) + PercentEncoding.encode(config.clientSecret)
            let code = pair.withUnsafeBytes { String(decoding: Signature.base64($0), as: UTF8.self) }
            headers.append((name: "Authorization", value: "Basic \(code)"))
        }
        let response: HTTPResponse
        do {
            response = try await post("POST", config.tokenURL, headers, Parameter.join(form))
        } catch {
            // Maybe spent: the claim stays until it is over, then it is tried once more.
            if !error.maybeSent { try await state.tokens.store(old, of: row, version: version) }
            throw Outcome.defer(for: .seconds(TokenStore.claim), reason: .network, "refreshing the token: \(error)")
        }
        let json = try? JSON(parsing: response.body)
        if (200..<300).contains(response.status), let access = json?["access_token"]?.string {
            let life = json?["expires_in"]?.int ?? 0
            return TokenStore.Token(
                access: access,
                refresh: json?["refresh_token"]?.string ?? refresh,
                expires: life > 0 ? site.host.now.seconds + Int64(life) : nil
            )
        }
        try await state.tokens.store(old, of: row, version: version)
        let text = "refreshing the token: \(TwitterProblem(response).text)"
        guard (400..<500).contains(response.status), response.status != 429 else {
            let rest = response.retryAfter ?? .seconds(60)
            throw Outcome.defer(for: rest, reason: .remote, text).holding(for: rest)
        }
        throw TwitterSite.shut(text)
    }
}
