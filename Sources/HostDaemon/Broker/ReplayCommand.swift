// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import QueueCore
import QueueStore

// "Send it again": what a target had, or was to have, goes out once more from history.
extension BrokerCommands {
    /// What is asked for, and how far it has come.
    private struct Replay: Sendable {
        var target: String
        var sinceMs: Int64
        var site: String?
        var queue: String?
        var isDryRun: Bool
        /// Ids behind this are copies that the replay made, or came in meanwhile.
        var last: Int64 = 0
        var after: Int64 = 0
        var count = 0
        var frameGone = 0
        var refused = 0
    }

    func targetReplay(_ request: ControlRequest) {
        guard let target = targetArgument(request), let site = siteArgument(request) else { return }
        guard let since = request.arguments["since_ms"]?.int else {
            reply(ControlReply(id: request.id, error: "since when? give --since 2h, or a time"))
            return
        }
        let replay = Replay(
            target: target,
            sinceMs: since,
            site: site,
            queue: request.arguments["queue"]?.string,
            isDryRun: request.arguments["dry_run"]?.bool == true
        )
        let me = NIOLoopBound(self, eventLoop: core.loop)
        // What ended just now is in it too.
        core.dispatcher.whenWritten { [core] in
            core.store.read { (reader) throws(QueueStoreError) in
                try reader.idRange()
            } completion: { result in
                var replay = replay
                switch result {
                case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
                case .success(let range):
                    replay.after = (range?.lowerBound ?? 1) - 1
                    replay.last = range?.upperBound ?? 0
                    me.value.goOn(request, replay)
                }
            }
        }
    }

    private func goOn(_ request: ControlRequest, _ replay: Replay) {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.replayable(
                target: replay.target,
                since: replay.sinceMs,
                site: replay.site,
                queue: replay.queue,
                after: replay.after,
                upTo: replay.last,
                limit: 500
            )
        } completion: { result in
            switch result {
            case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (items, next)): me.value.send(request, replay, items, next: next)
            }
        }
    }

    private func send(_ request: ControlRequest, _ replay: Replay, _ items: [Replayable], next: Int64?) {
        var replay = replay
        let directory = core.directory
        let copies = items.compactMap { found -> (new: Incoming, old: Replayable?)? in
            if found.isFrameGone {
                replay.frameGone += 1
                return nil
            }
            guard case .accepted(let site, let queue) = directory.admit(site: found.site, queue: found.queue) else {
                replay.refused += 1
                return nil
            }
            return (copy(of: found, site: site, queue: queue), found.item.state == .dead ? found : nil)
        }
        replay.count += copies.count
        if replay.isDryRun || copies.isEmpty { return proceed(request, replay, next: next) }
        let now = core.clock.steadyMs
        let (counted, store) = (replay, core.store)
        let me = NIOLoopBound(self, eventLoop: core.loop)
        store.write(as: .intake) { (transaction) throws(QueueStoreError) in
            var stored = StoredItems()
            for copy in copies {
                try stored.add(copy.new, transaction, nowMs: now, dedupeSince: 0)
                // The copy stands for the dead letter from now on.
                if let old = copy.old { try transaction.drop(dead: old.item.id, site: old.site, queue: old.queue) }
            }
            return stored
        } completion: { result in
            switch result {
            case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let stored):
                me.value.core.arrived(stored)
                me.value.proceed(request, counted, next: next)
            }
        }
    }

    private func proceed(_ request: ControlRequest, _ replay: Replay, next: Int64?) {
        if let next {
            var replay = replay
            replay.after = next
            goOn(request, replay)
            return
        }
        let members: [String: JSONValue] = [
            "count": JSONValue(replay.count), "frame_gone": JSONValue(replay.frameGone),
            "refused": JSONValue(replay.refused),
        ]
        reply(ControlReply(id: request.id, result: .object(members)))
    }

    /// Without its dedupe key: that it was delivered before is known, and wanted again.
    private func copy(of found: Replayable, site: SiteName, queue: QueueName) -> Incoming {
        let old = found.item
        let now = core.clock.wallMs
        var new = Incoming(queue: queue.rawValue, site: site.rawValue, payload: old.payload, enqueuedMs: now)
        new.shared = old.body?.bytes ?? []
        new.target = old.target
        new.lane = old.laneKey
        new.priority = old.rank.priority
        new.headers = old.headers
        new.notice = old.notice
        if core.configuration.expiresMs > 0 { new.expiresMs = now + core.configuration.expiresMs }
        return new
    }
}
