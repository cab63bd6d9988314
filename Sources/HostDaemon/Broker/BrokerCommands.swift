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
        default: reply(ControlReply(id: request.id, error: "the broker has no command \"\(request.command)\""))
        }
    }

    private func read<Result: Sendable>(
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

    // MARK: Dead letters

    private func filter(_ request: ControlRequest) -> DeadFilter? {
        var filter = DeadFilter()
        filter.ids = request.arguments["ids"]?.array?.compactMap(\.int) ?? []
        filter.site = request.arguments["site"]?.string
        filter.queue = request.arguments["queue"]?.string
        filter.target = request.arguments["target"]?.string
        if let word = request.arguments["reason"]?.string {
            guard let reason = DeadReason(rawValue: word) else {
                let known = DeadReason.allCases.map(\.rawValue).joined(separator: ", ")
                reply(ControlReply(id: request.id, error: "no reason \"\(word)\": it is one of \(known)"))
                return nil
            }
            filter.reason = reason
        }
        if let age = request.arguments["older_than_ms"]?.int { filter.diedBefore = core.clock.wallMs - age }
        return filter
    }

    private func deadList(_ request: ControlRequest) {
        guard let filter = filter(request) else { return }
        let after = request.arguments["after"]?.int ?? 0
        let limit = min(Self.page, max(1, Int(request.arguments["limit"]?.int ?? Int64(Self.page))))
        read(request) { (reader) throws(QueueStoreError) in
            try reader.dead(filter, after: after, limit: limit)
        } _: { letters in
            .object([
                "items": .array(letters.map { .object(Self.describe($0)) }),
                "next": letters.count == limit ? JSONValue(letters.last?.item.id ?? 0) : .null,
            ])
        }
    }

    private static func describe(_ letter: DeadLetter) -> [String: JSONValue] {
        [
            "id": JSONValue(letter.item.id), "site": .string(letter.site), "queue": .string(letter.queue),
            "target": .string(letter.item.target), "reason": .string(letter.reason), "text": .string(letter.text),
            "attempts": JSONValue(letter.item.attempts), "kills": JSONValue(letter.item.kills),
            "maybe": JSONValue(letter.item.maybe), "enqueued": .string(time(letter.item.enqueuedMs)),
            "died": .string(time(letter.item.dueMs)),
        ]
    }

    private func deadShow(_ request: ControlRequest) {
        guard let id = request.arguments["id"]?.int else {
            reply(ControlReply(id: request.id, error: "which dead letter? give its id"))
            return
        }
        let reply = reply
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.dead(id: id)
        } completion: { result in
            guard case .success(let letter) = result, let letter else {
                reply(ControlReply(id: request.id, error: "no dead letter \(id): see queuectl dead list"))
                return
            }
            var members = Self.describe(letter)
            for (name, bytes) in [("frame", letter.item.payload), ("shared", letter.item.body?.bytes ?? [])] {
                if let text = String(validating: bytes, as: UTF8.self) {
                    members[name] = .string(text)
                } else {
                    members[name] = .string(Data(bytes).base64EncodedString())
                    members[name == "frame" ? "encoding" : "shared_encoding"] = .string("base64")
                }
            }
            members["headers"] = .string(String(decoding: letter.item.headers, as: UTF8.self))
            reply(ControlReply(id: request.id, result: .object(members)))
        }
    }

    private func deadRequeue(_ request: ControlRequest) {
        guard let filter = filter(request) else { return }
        if request.arguments["dry_run"]?.bool == true { return countDead(request, filter) }
        requeue(request, filter, after: 0, done: 0)
    }

    /// Page after page, so that a million dead letters hold up nobody.
    private func requeue(_ request: ControlRequest, _ filter: DeadFilter, after: Int64, done: Int) {
        let wall = core.clock.wallMs
        let expires = core.configuration.expiresMs
        let admitted = core.directory
        let me = NIOLoopBound((self, request), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.requeue(filter, after: after, limit: Self.page, nowMs: wall) { letter in
                letter.site.isEmpty || expires == 0 ? 0 : wall + expires
            }
        } completion: { result in
            let (commands, request) = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (items, last)):
                _ = admitted
                commands.core.dispatcher.arrived(items) { commands.core.dispatcher.names[$0] ?? "" }
                guard let last else {
                    commands.reply(ControlReply(id: request.id, result: .object(["count": JSONValue(done)])))
                    return
                }
                commands.requeue(request, filter, after: last, done: done + items.count)
            }
        }
    }

    private func deadDrop(_ request: ControlRequest) {
        guard let filter = filter(request) else { return }
        if request.arguments["dry_run"]?.bool == true { return countDead(request, filter) }
        drop(request, filter, after: 0, done: 0)
    }

    private func drop(_ request: ControlRequest, _ filter: DeadFilter, after: Int64, done: Int) {
        let me = NIOLoopBound((self, request), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.drop(filter, after: after, limit: Self.page)
        } completion: { result in
            let (commands, request) = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (count, last)):
                guard let last else {
                    commands.reply(ControlReply(id: request.id, result: .object(["count": JSONValue(done)])))
                    return
                }
                commands.drop(request, filter, after: last, done: done + count)
            }
        }
    }

    private func countDead(_ request: ControlRequest, _ filter: DeadFilter) {
        read(request) { (reader) throws(QueueStoreError) in
            var count = 0
            var after: Int64 = 0
            while let last = try reader.dead(filter, after: after, limit: Self.page).last {
                count += try reader.dead(filter, after: after, limit: Self.page).count
                after = last.item.id
            }
            return count
        } _: {
            .object(["count": JSONValue($0)])
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
                let notices = all.map { Self.describe($0.0, $0.1, $0.2) }
                reply(ControlReply(id: request.id, result: .object(["notices": .array(notices)])))
            }
        }
    }

    private static func describe(_ row: NoticeRow, _ counts: NoticeCounts, _ items: [NoticeItem]) -> JSONValue {
        let described = items.map { item -> JSONValue in
            .object([
                "id": JSONValue(item.id), "queue": .string(item.queue), "target": .string(item.target),
                "state": .string(stateWord(item)), "attempts": JSONValue(item.attempts),
                "next_attempt": item.nextAttemptMs > 0 ? .string(time(item.nextAttemptMs)) : .null,
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

    private func pause(_ request: ControlRequest) {
        let isPaused = request.command == "pause"
        guard let queue = request.arguments["queue"]?.string, let line = core.dispatcher.linesByName[queue] else {
            reply(ControlReply(id: request.id, error: "no such queue has had an item yet: see queuectl status"))
            return
        }
        let site = request.arguments["site"]?.string
        line.pause(isPaused, site: site)
        for source in line.sources.values where site == nil || core.dispatcher.names[source.site] == site {
            source.isPaused = isPaused
            if !isPaused { core.dispatcher.touch(source) }
        }
        reply(ControlReply(id: request.id, result: .object(["paused": .bool(isPaused)])))
    }

    static func time(_ ms: Int64) -> String {
        LogTime(milliseconds: ms).description
    }
}
