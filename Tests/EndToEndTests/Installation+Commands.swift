// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

// What an operator and a producer do, by the queuectl of this build.
extension Installation {
    /// `targets` of `queuectl notice ID --json`.
    struct Targets: Equatable, Sendable {
        var delivered = 0
        var waiting = 0
        var retrying = 0
        var dead = 0

        var all: Int { delivered + waiting + retrying + dead }
    }

    /// Runs queuectl to its end, whatever that is.
    func queuectl(
        trying arguments: [String],
        input: String = ""
    ) async throws -> (
        exit: ProcessRunner.Exit, output: String, errors: String
    ) {
        try await ProcessRunner.run(
            try ProcessRunner.product("queuectl"),
            ["--config", configuration] + arguments,
            input: input
        )
    }

    /// Its output; another status than 0 is an error.
    @discardableResult
    func queuectl(_ arguments: String..., input: String = "") async throws -> String {
        let run = try await queuectl(trying: arguments, input: input)
        guard run.exit == .status(0) else {
            throw TestSupportError.cannotCreate("queuectl \(arguments)", reason: "\(run.exit): \(run.errors)")
        }
        return run.output
    }

    func json(_ arguments: String...) async throws -> JSON {
        let run = try await queuectl(trying: arguments + ["--json"])
        guard run.exit == .status(0) else {
            throw TestSupportError.cannotCreate("queuectl \(arguments)", reason: "\(run.exit): \(run.errors)")
        }
        return try JSON.parse(run.output)
    }

    /// Makes all of a receiver's targets the author's subscribers.
    func subscribe(_ receiver: Receiver) async throws {
        try await queuectl("recipients", "import", "-s", Self.site, "omb", receiver.recipients)
    }

    func enqueue(_ queue: String, _ frame: String, site: String = Installation.site) async throws {
        try await queuectl("enqueue", "-s", site, queue, "-", input: frame)
    }

    /// Nothing of this queue waits or is being delivered, on any site.
    func isEmpty(_ queue: String) async throws -> Bool {
        let rows = try await json("status")["queues"].list.filter { $0["queue"].text == queue }
        return rows.allSatisfy { row in ["ready", "delayed", "claimed"].allSatisfy { row[$0].int == 0 } }
    }

    /// False where it wasn't taken, as far as its sender knows: a second copy has the same items.
    func isTaken(notice id: Int) async throws -> Bool {
        try await queuectl(trying: ["enqueue", "-s", Self.site, "notice", "-"], input: Self.notice(id)).exit
            == .status(0)
    }

    /// Posts a notice of the author that DemoReceiver's recipients subscribed to.
    func post(notice id: Int) async throws { try await enqueue("notice", Self.notice(id)) }

    static func noticeURI(_ id: Int) -> String { "http://demo.example/notice/\(id)" }

    static func notice(_ id: Int) -> String {
        """
        {"id": \(id), "uri": "\(noticeURI(id))", "url": "\(noticeURI(id))", "content": "Grüße, #\(id)!", \
        "rendered": "<p>Grüße, #\(id)!</p>", "created": "2026-11-24T10:00:00Z", "source": "web", \
        "author": {"id": 1, "uri": "http://demo.example/user/1", "nickname": "alice", "fullname": "Alice & Co", \
        "profile_url": "http://demo.example/alice"}, "is_local": 1, \
        "license": "http://creativecommons.org/licenses/by/3.0/"}
        """
    }

    func targets(ofNotice id: Int) async throws -> Targets {
        let output = try await queuectl("notice", "\(id)", "--json")
        // Items come one a line behind the first, thousands of them: the figures stand before them.
        let head = String(output.prefix { $0 != "\n" })
        let figures = try JSON.parse(head.hasSuffix("[") ? head + "]}" : output)["targets"]
        return Targets(
            delivered: figures["delivered"].int ?? -1,
            waiting: figures["waiting"].int ?? -1,
            retrying: figures["retrying"].int ?? -1,
            dead: figures["dead"].int ?? -1
        )
    }

    /// The site enables the fixture minimal.c, which writes its lines to `out`.
    func writeMinimalSite() throws {
        try writeSite(plugins: ["minimal": "{ enabled: true, out: \"\(directory.file("out"))\" }"])
    }

    /// The lines that minimal.c wrote; one that is being written isn't there yet.
    var minimalLines: [String] {
        let text = FileManager.default.contents(atPath: directory.file("out")).map {
            String(decoding: $0, as: UTF8.self)
        }
        return (text ?? "").split(separator: "\n").map(String.init)
    }

    /// Waits until the broker has it on disk that `count` targets have the notice.
    func delivered(_ count: Int, ofNotice id: Int, within limit: Duration = .seconds(60)) async throws {
        var last: Targets?
        do {
            try await eventually("\(count) targets to have notice \(id)", within: limit, every: .milliseconds(100)) {
                last = try? await targets(ofNotice: id)
                return last?.delivered == count
            }
        } catch {
            throw TestSupportError.missing(
                "delivery of notice \(id) to \(count) targets: \(last.map { "\($0)" } ?? "no answer"); \(error)"
            )
        }
    }

    /// Waits until broker and workers are there again; there may be hunters besides.
    func whole(workers: Int, hasConsole: Bool = false) async throws {
        try await eventually("a broker and \(workers) workers that are ready", within: .seconds(60)) {
            guard let processes = try? await json("status")["processes"].list else { return false }
            let others = processes.filter { $0["hunter"] != .bool(true) }
            let roles = others.filter { $0["state"].text == "ready" }.compactMap { $0["role"].text }
            return roles.count { $0 == "broker" } == 1 && roles.count { $0 == "worker" } == workers
                && others.count == workers + (hasConsole ? 3 : 2)
        }
    }
}
