// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import NIOCore
import QueueCore
import QueueStore

// What was given up: list, show, requeue, drop.
extension BrokerCommands {
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
        if let age = request.arguments["newer_than_ms"]?.int { filter.diedAfter = core.clock.wallMs - age }
        return filter
    }

    func deadList(_ request: ControlRequest) {
        guard let filter = filter(request) else { return }
        let after = request.arguments["after"]?.int ?? 0
        let limit = min(Self.page, max(1, Int(request.arguments["limit"]?.int ?? Int64(Self.page))))
        read(request) { (reader) throws(QueueStoreError) in
            try reader.dead(filter, after: after, limit: limit)
        } _: { page in
            .object([
                "items": .array(page.letters.map { .object(Self.describe($0)) }),
                "next": page.next.map { JSONValue($0) } ?? .null,
            ])
        }
    }

    static func describe(_ letter: DeadLetter) -> [String: JSONValue] {
        [
            "id": JSONValue(letter.item.id), "site": .string(letter.site), "queue": .string(letter.queue),
            "target": .string(letter.item.target), "reason": .string(letter.reason), "text": .string(letter.text),
            "attempts": JSONValue(letter.item.attempts), "kills": JSONValue(letter.item.kills),
            "maybe": JSONValue(letter.item.maybe), "enqueued": .string(time(letter.item.enqueuedMs)),
            "died": .string(time(letter.item.dueMs)),
        ]
    }

    func deadShow(_ request: ControlRequest) {
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

    func deadRequeue(_ request: ControlRequest) {
        guard let filter = filter(request) else { return }
        if request.arguments["dry_run"]?.bool == true { return countDead(request, filter) }
        upToNow(request, filter) { commands, request, filter in
            commands.requeue(request, filter, after: 0, done: 0, refused: 0)
        }
    }

    /// What dies later isn't meant: the command comes to an end, also while items die as fast as it goes.
    private func upToNow(
        _ request: ControlRequest,
        _ filter: DeadFilter,
        _ go: @escaping (BrokerCommands, ControlRequest, DeadFilter) -> Void
    ) {
        // An item that has just died is in the store before its page is read.
        core.dispatcher.flushWrites()
        let me = NIOLoopBound((self, go), eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.lastDead()
        } completion: { result in
            let (commands, go) = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let last):
                var filter = filter
                filter.lastID = last
                go(commands, request, filter)
            }
        }
    }

    /// Page after page, so that a million dead letters hold up nobody.
    private func requeue(_ request: ControlRequest, _ filter: DeadFilter, after: Int64, done: Int, refused: Int) {
        let wall = core.clock.wallMs
        let expires = core.configuration.expiresMs
        let directory = core.directory
        let me = NIOLoopBound((self, request), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.requeue(filter, after: after, limit: Self.page, nowMs: wall) { letter in
                Self.verdict(letter, directory, expiresMs: expires == 0 ? 0 : wall + expires)
            }
        } completion: { result in
            let (commands, request) = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let page):
                commands.core.dispatcher.arrived(page.items) { page.names[$0] ?? "" }
                let done = done + page.items.count
                let refused = refused + page.refused
                if let next = page.next {
                    commands.requeue(request, filter, after: next, done: done, refused: refused)
                    return
                }
                let members = ["count": JSONValue(done), "refused": JSONValue(refused)]
                commands.reply(ControlReply(id: request.id, result: .object(members)))
            }
        }
    }

    /// Judged as if it came in now: its site may be there since, or its plugin.
    ///
    /// Its names are those that it came with.
    private static func verdict(_ letter: DeadLetter, _ directory: SiteDirectory, expiresMs: Int64) -> Revival {
        guard letter.item.payload.count <= BrokerCore.maxFrame else {
            return .dead(.badFrame, text: letter.text)
        }
        switch directory.admit(site: letter.site, queue: letter.queue) {
        case .accepted(let site, let queue):
            return .ready(queue: queue.rawValue, site: site.rawValue, expiresMs: expiresMs)
        case .refused(let reason, let text): return .dead(reason, text: text)
        }
    }

    func deadDrop(_ request: ControlRequest) {
        guard let filter = filter(request) else { return }
        if request.arguments["dry_run"]?.bool == true { return countDead(request, filter) }
        upToNow(request, filter) { commands, request, filter in
            commands.drop(request, filter, after: 0, done: 0)
        }
    }

    private func drop(_ request: ControlRequest, _ filter: DeadFilter, after: Int64, done: Int) {
        let me = NIOLoopBound((self, request), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.drop(filter, after: after, limit: Self.page)
        } completion: { result in
            let (commands, request) = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (count, next)):
                let done = done + count
                guard let next else {
                    commands.reply(ControlReply(id: request.id, result: .object(["count": JSONValue(done)])))
                    return
                }
                commands.drop(request, filter, after: next, done: done)
            }
        }
    }

    private func countDead(_ request: ControlRequest, _ filter: DeadFilter) {
        read(request) { (reader) throws(QueueStoreError) in
            var count = 0
            var after: Int64 = 0
            while true {
                let page = try reader.dead(filter, after: after, limit: Self.page)
                count += page.letters.count
                guard let next = page.next else { return count }
                after = next
            }
        } _: {
            .object(["count": JSONValue($0)])
        }
    }
}
