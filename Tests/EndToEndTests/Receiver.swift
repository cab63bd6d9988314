// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Foundation
import NIOCore
import Synchronization
import TestSupport

/// A DemoReceiver of this build.
///
/// Its log is the truth: a line is written before the answer, by one write(2).
final class Receiver: Sendable {
    let targets: Int
    /// JSON lines for `queuectl recipients import`.
    let recipients: String
    let log: String
    private let state = Mutex(State())

    private struct State {
        var process: ProcessRunner?
        var port = 0
    }

    /// 0 before the first start; the same from then on.
    var port: Int { state.withLock { $0.port } }

    init(in directory: TemporaryDirectory, targets: Int, name: String = "receiver") {
        self.targets = targets
        recipients = directory.file("\(name).jsonl")
        log = directory.file("\(name).log")
    }

    /// Starts it, on the port that it had before, if any.
    func start(_ options: String...) async throws {
        let arguments = [
            "--port", "\(port)", "--targets", "\(targets)", "--log", log, "--recipients", recipients,
            "--author", "http://demo.example/user/1",
        ]
        let process = try ProcessRunner(try ProcessRunner.product("DemoReceiver"), arguments + options)
        state.withLock { $0.process = process }
        let line = try await process.line(containing: "listening on ")
        guard let bound = line.split(separator: " ").last.flatMap({ Int($0) }) else {
            throw TestSupportError.missing("the receiver's port in '\(line)'")
        }
        state.withLock { $0.port = bound }
    }

    /// Its port refuses connections when this returns.
    func stop() async throws {
        let process = state.withLock { state in
            defer { state.process = nil }
            return state.process
        }
        process?.signal(SIGKILL)
        try await process?.exit()
    }

    /// Stopped (SIGSTOP), it takes connections and never answers.
    func signal(_ number: Int32) { state.withLock { $0.process }?.signal(number) }

    /// How often each target has taken a notice, by its number.
    func taken(notice id: Int) -> [Int: Int] {
        order(notice: id).reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    /// The targets that have taken a notice, one entry a delivery, in order of arrival.
    func order(notice id: Int) -> [Int] {
        let text = FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 3, words[1] == Installation.noticeURI(id) else { return nil }
            return words[0].split(separator: "/").dropFirst().first.flatMap { Int($0) }
        }
    }

    /// How often each target has taken each notice, by "PATH NOTICE".
    func takenLines() -> [String: Int] { arrivals().mapValues(\.count) }

    /// When each target has taken each notice, in Unix milliseconds, by "PATH NOTICE".
    func arrivals() -> [String: [Int64]] {
        let text = FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").reduce(into: [:]) { arrivals, line in
            let words = line.split(separator: " ")
            guard words.count == 3, let moment = Int64(words[2]) else { return }
            arrivals["\(words[0]) \(words[1])", default: []].append(moment)
        }
    }

    /// Waits until that many targets have taken the notice.
    func taken(_ count: Int, notice id: Int, within limit: Duration = .seconds(60)) async throws {
        try await eventually("\(count) targets to take notice \(id)", within: limit, every: .milliseconds(20)) {
            taken(notice: id).count >= count
        }
    }

    /// What it counted since it started.
    func counts() async throws -> JSON {
        let response = try await HTTPClient.shared.execute(
            HTTPClientRequest(url: "http://127.0.0.1:\(port)/stat"),
            timeout: .seconds(20)
        )
        return try JSON.parse(String(buffer: try await response.body.collect(upTo: 1 << 20)))
    }
}
