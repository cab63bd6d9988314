// SPDX-License-Identifier: Apache-2.0

import Foundation
import OAuth1
import PluginKit
import PluginKitTesting
import Testing

@testable import Twitter

/// A notice, accounts, and a fake host with the Twitter plugin on it.
enum TwitterFixture {
    static let author = "http://alice.example/user/7"
    static let uri = "http://alice.example/notice/42"
    static let config = ["consumer_key": "key", "consumer_secret": "consumer secret"]

    static func notice(_ changes: (String, JSON)...) -> FakeItem {
        var members: [(String, JSON)] = [
            ("uri", .string(uri)), ("url", "http://alice.example/n/42"), ("content", "caf\u{E9} & *stars* ~ok"),
            ("author", ["uri": .string(author), "nickname": "alice"]), ("is_local", 1), ("source", "web"),
        ]
        for change in changes { members = members.filter { $0.0 != change.0 } + [change] }
        return FakeItem(queue: "twitter", payload: JSON.object(members.map { JSON.Member($0.0, $0.1) }).bytes)
    }

    static func account(_ id: String = "1001", options: JSON = [:]) -> Recipient {
        Recipient(
            author: author,
            target: id,
            credentials: ["token": .string("tok-\(id)"), "secret": .string("secret of \(id)")],
            options: options
        )
    }

    static func oauth2(_ id: String = "1001", refresh: String? = "refresh-1", expires: Int64? = nil) -> Recipient {
        Recipient(
            author: author,
            target: id,
            credentials: [
                "access_token": "access-1", "refresh_token": refresh.map { .string($0) } ?? .null,
                "expires_at": expires.map { .number("\($0)") } ?? .null,
            ]
        )
    }

    static func host(_ recipients: Recipient..., config changes: [String: String] = [:]) async throws -> FakeHost {
        let host = try await FakeHost(TwitterPlugin.self)
        host.recipients.add(recipients)
        host.http.answer { _ in posted() }
        try await host.open(config: config.merging(changes) { $1 })
        return host
    }

    static func posted(_ id: String = "900", headers: [String: String] = [:]) -> FakeHTTP.Answer {
        .respond(201, headers: headers, body: #"{"data": {"id": "\#(id)", "text": "x"}}"#)
    }

    static func error(_ status: Int, code: Int, _ message: String = "no") -> FakeHTTP.Answer {
        .respond(status, body: #"{"errors": [{"code": \#(code), "message": "\#(message)"}]}"#)
    }

    /// Expands a notice and hands its first item to stage 2, which has to be there.
    static func deliver(_ host: FakeHost, _ notice: FakeItem = notice(), again: Bool = false) async throws -> Outcome {
        var item = try #require(await host.expand(notice).staged.first)
        item.mayBeDuplicate = again
        return await host.deliver(item).outcome
    }

    static func json(_ request: FakeHTTP.Request) throws -> JSON { try JSON(parsing: request.body) }

    static func form(_ request: FakeHTTP.Request) -> [String: String] {
        let pairs = Parameter.parse(form: request.body).map { parameter in
            (String(decoding: parameter.name, as: UTF8.self), PercentEncoding.decodeForm(parameter.value))
        }
        return Dictionary(pairs.map { ($0.0, String(decoding: $0.1, as: UTF8.self)) }) { $1 }
    }
}
