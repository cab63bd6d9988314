// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A request on its way out, with the promise of its answer.
struct OutgoingRequest: Sendable {
    var command: String
    var arguments: [String: JSONValue]
    var timeLimit: Duration
    var answer: EventLoopPromise<JSONValue>
}

/// Requests that wait for their reply, by id; used on one event loop only.
struct PendingRequests {
    private struct Pending {
        var command: String
        var answer: EventLoopPromise<JSONValue>
        var timeout: Scheduled<Void>
    }

    private var pending: [Int: Pending] = [:]
    private(set) var lastID: Int

    init(lastID: Int = 0) { self.lastID = lastID }

    /// `expired` is called on `eventLoop` after the time limit, unless the reply came before.
    mutating func open(
        _ request: OutgoingRequest,
        on eventLoop: any EventLoop,
        expired: @escaping @Sendable (Int) -> Void
    ) -> ControlRequest {
        lastID += 1
        let id = lastID
        let timeout = eventLoop.scheduleTask(in: TimeAmount(request.timeLimit)) { expired(id) }
        pending[id] = Pending(command: request.command, answer: request.answer, timeout: timeout)
        return ControlRequest(id: id, command: request.command, arguments: request.arguments)
    }

    /// A reply that nobody waits for (any more) is ignored.
    mutating func settle(_ reply: ControlReply) {
        guard let request = pending.removeValue(forKey: reply.id) else { return }
        request.timeout.cancel()
        if let error = reply.error {
            request.answer.fail(ControlError.refused(error))
        } else {
            request.answer.succeed(reply.result ?? .null)
        }
    }

    mutating func expire(_ id: Int, after limit: Duration) {
        guard let request = pending.removeValue(forKey: id) else { return }
        request.answer.fail(ControlError.timedOut(command: request.command, after: limit))
    }

    mutating func close() {
        let all = pending.values
        pending = [:]
        for request in all {
            request.timeout.cancel()
            request.answer.fail(ControlError.closed(command: request.command))
        }
    }
}
