// SPDX-License-Identifier: Apache-2.0

import Foundation
import OAuth1
import PluginKit
import PluginKitTesting
import Testing

@testable import OMB

/// A notice, subscriptions, and a fake host with the OMB plugin on it.
enum OMBFixture {
    static let author = "http://alice.example/user/7"
    static let confirmation = "omb_version=http%3A%2F%2Fopenmicroblogging.org%2Fprotocol%2F0.1"

    static func notice(_ changes: (String, JSON)...) -> FakeItem {
        var members: [(String, JSON)] = [
            ("uri", "http://alice.example/notice/42"), ("url", "http://alice.example/n/42"),
            ("content", "caf\u{E9} & *stars* ~ok"), ("license", "http://creativecommons.org/licenses/by/3.0/"),
            ("author", ["uri": .string(author), "nickname": "alice"]), ("is_local", 1),
        ]
        for change in changes { members = members.filter { $0.0 != change.0 } + [change] }
        let frame = JSON.object(members.map { JSON.Member($0.0, $0.1) })
        return FakeItem(queue: "omb", payload: frame.bytes)
    }

    static func subscription(
        _ target: String,
        _ key: String = "",
        token: String = "tok",
        options: JSON = [:]
    ) -> Recipient {
        Recipient(
            author: author,
            target: target,
            key: key,
            credentials: ["token": .string(token), "secret": .string("secret of \(token)")],
            options: options
        )
    }

    static func host(_ recipients: Recipient..., config: [String: String] = [:]) async throws -> FakeHost {
        let host = try await FakeHost(OMBPlugin.self)
        host.recipients.add(recipients)
        host.http.answer { _ in .respond(200, body: confirmation) }
        try await host.open(config: config)
        return host
    }

    /// Expands the fixture's notice and hands its first item to stage 2.
    static func deliver(_ host: FakeHost) async throws -> FakeDelivery {
        let staged = await host.expand(notice()).staged
        return await host.deliver(try #require(staged.first))
    }

    static func fields(_ request: FakeHTTP.Request) -> [(name: String, value: String)] {
        Parameter.parse(form: request.body).map { parameter in
            let value = PercentEncoding.decodeForm(parameter.value)
            return (String(decoding: parameter.name, as: UTF8.self), String(decoding: value, as: UTF8.self))
        }
    }
}

/// A form body as a receiver got it, for a check by a library that isn't ours.
struct ReceivedForm: Encodable {
    var method = "POST"
    let url: String
    let body: String
    var consumer_key = "http://alice.example/"
    var consumer_secret = ""
    let token: String
    let token_secret: String

    /// What python3-oauthlib says of each: "ok" or what is wrong.
    static func verify(_ forms: [ReceivedForm]) throws -> [String] {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = [
            URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/verify_oauth.py")
                .standardizedFileURL.path()
        ]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        for form in forms {
            try input.fileHandleForWriting.write(contentsOf: JSONEncoder().encode(form) + Data("\n".utf8))
        }
        try input.fileHandleForWriting.close()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "python3-oauthlib has to be installed")
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map { String($0) }
    }
}
