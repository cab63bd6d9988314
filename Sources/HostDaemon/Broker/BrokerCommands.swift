// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import NIOCore
import QueueCore
import QueueStore
import Telemetry

/// Answers what queuectl and the console ask of the broker.
///
/// Confined to the broker's loop.
struct BrokerCommands {
    /// Rows that travel in one reply; queuectl asks for the next page.
    static let page = 1000

    let core: BrokerCore
    let listeners: Listeners
    let reply: @Sendable (ControlReply) -> Void

    func answer(_ request: ControlRequest) {
        switch request.command {
        case "status": status(request)
        case "metrics": metrics(request)
        case "dead.list": deadList(request)
        case "dead.show": deadShow(request)
        case "dead.requeue": deadRequeue(request)
        case "dead.drop": deadDrop(request)
        case "notice": notice(request)
        case "pause", "resume": pause(request)
        case "site.drop": siteDrop(request)
        case "target.show": targetShow(request)
        case "target.retry": targetRetry(request)
        case "target.replay": targetReplay(request)
        case "target.block": targetBlock(request)
        case "target.unblock": targetUnblock(request)
        case "target.blocks": targetBlocks(request)
        default: reply(ControlReply(id: request.id, error: "the broker has no command \"\(request.command)\""))
        }
    }

    func read<Result: Sendable>(
        _ request: ControlRequest,
        _ work: @escaping @Sendable (StoreReader) throws(QueueStoreError) -> Result,
        _ show: @escaping @Sendable (Result) -> JSONValue
    ) {
        let reply = reply
        core.store.read(work) { result in
            switch result {
            case .success(let value): reply(ControlReply(id: request.id, result: show(value)))
            case .failure(let error): reply(ControlReply(id: request.id, error: "\(error)"))
            }
        }
    }

    // MARK: Notices

    private func notice(_ request: ControlRequest) {
        guard let name = request.arguments["notice"]?.string else {
            reply(ControlReply(id: request.id, error: "which notice? give its id or its URI"))
            return
        }
        let site = request.arguments["site"]?.string
        let after = request.arguments["after"]?.int ?? 0
        let reply = reply
        let ahead = core.clock.wallMs - core.clock.steadyMs
        core.dispatcher.flushWrites()
        core.store.read { (reader) throws(QueueStoreError) in
            var all: [(NoticeRow, NoticeCounts, [NoticeItem])] = []
            for row in try reader.notices(name, site: site) {
                all.append(
                    (
                        row, try reader.counts(ofNotice: row.id),
                        try reader.items(ofNotice: row.id, after: after, limit: Self.page)
                    )
                )
            }
            return all
        } completion: { result in
            switch result {
            case .failure(let error): reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let all) where all.isEmpty:
                reply(
                    ControlReply(
                        id: request.id,
                        error: "no notice \"\(name)\" is known" + (site.map { " on site \($0)" } ?? "")
                            + ": it was never sent, or is older than queue.history"
                    )
                )
            case .success(let all):
                // The store has steady times.
                let notices = all.map { Self.describe($0.0, $0.1, $0.2, aheadMs: ahead) }
                reply(ControlReply(id: request.id, result: .object(["notices": .array(notices)])))
            }
        }
    }

    private static func describe(
        _ row: NoticeRow,
        _ counts: NoticeCounts,
        _ items: [NoticeItem],
        aheadMs: Int64
    ) -> JSONValue {
        let described = items.map { item -> JSONValue in
            .object([
                "id": JSONValue(item.id), "queue": .string(item.queue), "target": .string(item.target),
                "state": .string(stateWord(item)), "attempts": JSONValue(item.attempts),
                "next_attempt": moment(item.nextAttemptMs, aheadMs: aheadMs),
                "reason": .string(item.reason), "text": .string(item.text),
            ])
        }
        return .object([
            "notice": .string(row.number), "uri": .string(row.uri), "site": .string(row.site),
            "targets": .object([
                "delivered": JSONValue(counts.delivered), "waiting": JSONValue(counts.waiting),
                "retrying": JSONValue(counts.retrying), "dead": JSONValue(counts.dead),
            ]),
            "items": .array(described),
            "next": items.count == page ? JSONValue(items.last?.id ?? 0) : .null,
        ])
    }

    private static func stateWord(_ item: NoticeItem) -> String {
        switch item.state {
        case .ready: "ready"
        case .delayed: "delayed"
        case .parked: "parked"
        case .done: "delivered"
        case .dead: "dead"
        case .discarded: "discarded"
        }
    }

    // MARK: Pauses

    private func pause(_ request: ControlRequest) {
        guard let queue = request.arguments["queue"]?.string, isKnown(queue) else {
            reply(ControlReply(id: request.id, error: "no plugin handles such a queue: see queuectl status"))
            return
        }
        var pause = Pause(queue: queue, site: "")
        if let text = request.arguments["site"]?.string {
            guard let site = core.directory.site(text) else {
                reply(ControlReply(id: request.id, error: "no site \"\(text)\" is configured: see queuectl sites"))
                return
            }
            pause.site = site.nickname.rawValue
        }
        let isPaused = request.command == "pause"
        var pauses = core.dispatcher.pauses
        if pause.site.isEmpty {
            // Of all sites: their own pauses, and their exceptions, are over.
            pauses = pauses.filter { $0.key.queue != queue }
            if isPaused { pauses[pause] = true }
        } else {
            let isAllPaused = pauses[Pause(queue: queue, site: "")] ?? false
            pauses[pause] = isPaused == isAllPaused ? nil : isPaused
        }
        apply(pauses, request, isPaused: isPaused)
    }

    private func isKnown(_ queue: String) -> Bool {
        queue == QueueName.notice.rawValue || core.dispatcher.linesByName[queue] != nil
            || QueueName(queue).flatMap(core.directory.handler(of:)) != nil
    }

    /// Answered once it would outlive a crash.
    private func apply(_ pauses: [Pause: Bool], _ request: ControlRequest, isPaused: Bool) {
        let before = core.dispatcher.pauses
        core.dispatcher.set(pauses)
        let reply = reply
        core.store.write { (transaction) throws(QueueStoreError) in
            for pause in before.keys where pauses[pause] == nil { try transaction.set(pause, isPaused: nil) }
            for (pause, isPaused) in pauses { try transaction.set(pause, isPaused: isPaused) }
        } completion: { result in
            switch result {
            case .success: reply(ControlReply(id: request.id, result: .object(["paused": .bool(isPaused)])))
            case .failure(let error): reply(ControlReply(id: request.id, error: "\(error)"))
            }
        }
    }

    static func time(_ ms: Int64) -> String {
        LogTime(milliseconds: ms).description
    }

    /// null: there is no such time.
    static func moment(_ ms: Int64, aheadMs: Int64 = 0) -> JSONValue {
        ms > 0 && ms != StoredLane.never ? .string(time(ms + aheadMs)) : .null
    }
}
