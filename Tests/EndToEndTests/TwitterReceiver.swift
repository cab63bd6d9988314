// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestSupport

/// Tests/Fixtures/twitter_receiver.py: Twitter on loopback, by script, with an OAuth library that isn't ours.
final class TwitterReceiver: Sendable {
    /// One request, as it was judged and answered.
    struct Line: Sendable {
        let account: String
        let method: String
        let path: String
        /// The newest status that an import already has.
        let since: String?
        let isValid: Bool
        let why: String?
        let text: String?
        let answer: String
        /// How many statuses the account has by then.
        let posted: Int
    }

    let port: Int
    /// One a start, the running one last.
    private let processes: Mutex<[ProcessRunner]>

    init() async throws {
        let process = try PythonFixture.start("twitter_receiver.py")
        let line = try await process.line(containing: "listening on ")
        guard let port = line.split(separator: " ").last.flatMap({ Int($0) }) else {
            throw TestSupportError.missing("the receiver's port in '\(line)'")
        }
        self.port = port
        processes = Mutex([process])
    }

    private var all: [ProcessRunner] { processes.withLock { $0 } }

    /// Its port refuses connections when this returns.
    func stop() async throws {
        signal(SIGKILL)
        try await all.last?.exit()
    }

    /// Starts it on its port; it has forgotten which texts were posted.
    func start() async throws {
        let process = try PythonFixture.start("twitter_receiver.py", ["\(port)"])
        processes.withLock { $0.append(process) }
        _ = try await process.line(containing: "listening on ")
    }

    func signal(_ number: Int32) { all.last?.signal(number) }

    /// The site's section for the plugin.
    func section(_ more: String = "") -> String {
        """
        { enabled: true, base_url: "http://127.0.0.1:\(port)", consumer_key: consumer, \
        consumer_secret: "consumer secret", timeout: 60\(more.isEmpty ? "" : ", " + more) }
        """
    }

    /// What came for one account, in order.
    func lines(_ account: String) throws -> [Line] { try lines().filter { $0.account == account } }

    func lines() throws -> [Line] {
        try all.flatMap(\.output.all).filter { $0.hasPrefix("{") }.map { text in
            let json = try JSON.parse(text)
            return Line(
                account: json["case"].text ?? "",
                method: json["method"].text ?? "",
                path: json["path"].text ?? "",
                since: json["since"].text,
                isValid: json["valid"] == .bool(true),
                why: json["why"].text,
                text: json["text"].text,
                answer: json["answer"].text ?? "",
                posted: json["posted"].int ?? -1
            )
        }
    }
}

extension Installation {
    /// Connects accounts of the author of `notice(_:)`; their names are the receiver's cases.
    func connect(
        _ accounts: [String],
        site: String = Installation.site,
        isOAuth2: Bool = false,
        options: String = "{}"
    )
        async throws
    {
        let rows = accounts.map { account in
            let credentials =
                isOAuth2
                ? #"{"access_token": "access-\#(account)-0", "refresh_token": "refresh-\#(account)-0"}"#
                : #"{"token": "t-\#(account)", "secret": "s-\#(account)"}"#
            return #"{"plugin": "twitter", "author": "http://demo.example/user/1", "target": "\#(account)", "#
                + #""credentials": \#(credentials), "options": \#(options)}"# + "\n"
        }
        let file = try directory.write(rows.joined(), to: "\(site)-\(accounts[0]).jsonl")
        try await queuectl("recipients", "import", "-s", site, "twitter", file)
    }

    /// What became of a notice, by account.
    func accounts(ofNotice id: Int, site: String = Installation.site) async throws -> [String: JSON] {
        let output = try await queuectl("notice", "\(id)", "-s", site, "--json")
        let items = try JSON.parse(output)["items"].list.filter { $0["queue"].text == "twitterout" }
        return Dictionary(items.compactMap { item in item["target"].text.map { ($0, item) } }) { $1 }
    }
}
