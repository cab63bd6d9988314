// SPDX-License-Identifier: Apache-2.0

import PluginABI
public import PluginKit

/// The network of a fake host: records what a plugin sends, and answers as the test says.
public final class FakeHTTP: Sendable {
    /// A request that a plugin has sent.
    public struct Request: Sendable {
        /// The method.
        public let method: String
        /// The whole URL.
        public let url: String
        /// Names and values, as the plugin wrote them.
        public let headers: [(name: String, value: String)]
        /// The body.
        public let body: [UInt8]
        /// The time limit; nil = the host's default.
        public let timeout: Duration?

        /// The body as text.
        public var text: String { String(decoding: body, as: UTF8.self) }
        /// The first value of a header, whatever the case of its name.
        public func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    /// What the remote side does with a request.
    public indirect enum Answer: Sendable {
        /// It answers.
        case respond(_ status: Int, headers: [String: String] = [:], body: String = "", retryAfter: Duration? = nil)
        /// There is no answer; `sent`: the request may have arrived.
        case fail(HTTPError.Kind, sent: Bool)
        /// Nothing happens until the request's time limit (10 s if it has none) has passed on the host's clock.
        case silence
        /// The same, later.
        case after(Duration, Answer)
    }

    private struct State {
        var requests: [Request] = []
        var answer: @Sendable (Request) -> Answer = { _ in .respond(200) }
    }

    private let state = Locked(State())

    init() {}

    /// What was sent so far, in order.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// From now on requests are answered so.
    public func answer(_ answer: @escaping @Sendable (Request) -> Answer) { state.withLock { $0.answer = answer } }

    /// From now on requests get these answers in turn, the last one for ever.
    public func answer(inTurn answers: Answer...) {
        let remaining = Locked(answers[...])
        answer { _ in
            remaining.withLock { answers in
                answers.count > 1 ? answers.removeFirst() : answers.first ?? .respond(200)
            }
        }
    }

    func receive(_ request: hostd_http_request) -> (answer: Answer, timeout: Int64) {
        let headers = UnsafeBufferPointer(start: request.headers, count: request.header_count)
            .map { (name: $0.key.string, value: $0.value.string) }
        let received = Request(
            method: request.method.string,
            url: request.url.string,
            headers: headers,
            body: [UInt8](request.body.bytes),
            timeout: request.timeout_ms > 0 ? .milliseconds(request.timeout_ms) : nil
        )
        let answer = state.withLock { state in
            state.requests.append(received)
            return state.answer
        }
        return (answer(received), request.timeout_ms > 0 ? Int64(request.timeout_ms) : 10_000)
    }

    /// Calls the plugin back, on the host's thread.
    static func deliver(_ answer: Answer, to callback: Callback<hostd_http_fn>, _ operation: hostd_op) {
        var response = hostd_http_response()
        response.struct_size = structSize(hostd_http_response.self)
        switch answer {
        case .respond(let status, let headers, let body, let retryAfter):
            response.status = UInt32(status)
            response.sent = 1
            response.retry_after_ms = retryAfter?.wholeMilliseconds ?? 0
            var arena = Arena()
            let content = arena.add(body)
            let ranges = headers.map { (arena.add($0.key.lowercased()), arena.add($0.value)) }
            arena.bytes.withUnsafeBytes { bytes in
                let pairs = ranges.map { hostd_kv(key: bytes.slice($0.0), value: bytes.slice($0.1)) }
                pairs.withUnsafeBufferPointer { pairs in
                    response.headers = pairs.baseAddress
                    response.header_count = pairs.count
                    response.body = bytes.slice(content)
                    callback.function(callback.user, operation, &response)
                }
            }
        case .fail(let kind, let sent):
            response.error =
                switch kind {
                case .timeout: HOSTD_E_TIMEOUT
                case .tooLong: HOSTD_E_LIMIT
                case .denied: HOSTD_E_DENIED
                default: HOSTD_E_IO
                }
            response.sent = sent ? 1 : 0
            callback.function(callback.user, operation, &response)
        case .silence: deliver(.fail(.timeout, sent: true), to: callback, operation)
        case .after(_, let answer): deliver(answer, to: callback, operation)
        }
    }
}
