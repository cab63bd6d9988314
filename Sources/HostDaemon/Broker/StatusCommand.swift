// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import QueueCore
import QueueStore

extension BrokerCommands {
    /// Lanes that back off, at most so many in one answer.
    static let lanes = 200

    /// Queues and lanes as `queuectl status` shows them.
    func status(_ request: ControlRequest) {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            (
                try reader.stateCounts(), try reader.lanes(limit: Self.lanes), try reader.laneCounts(),
                try reader.names()
            )
        } completion: { result in
            let commands = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (counts, lanes, totals, names)):
                let now = commands.core.clock.steadyMs
                // Lanes that work again, and whose rows are about to go.
                let known = commands.core.dispatcher.lanes
                let backing = lanes.filter { known[$0.lane.hash].map { $0.word(nowMs: now) } != "closed" }
                let total = totals.values.reduce(0, +) - Int64(lanes.count - backing.count)
                let needs = commands.needs(counts, backing.map(\.lane), totals, names)
                commands.reply(
                    ControlReply(
                        id: request.id,
                        result: .object([
                            "queues": .array(commands.queues(counts, names)),
                            "lanes": .array(commands.lanes(backing, names)),
                            "lanes_total": JSONValue(total),
                            "blocks": commands.describeBlocks(),
                            "needs": .array(needs.sentences.map(JSONValue.string)),
                            "store": commands.store,
                            "dead_letter_files": commands.deadLetterFiles,
                            "listen": commands.listeners.port.map { JSONValue($0) } ?? .null,
                        ])
                    )
                )
            }
        }
    }

    private var store: JSONValue {
        let space = core.store.space
        return .object([
            "bytes": JSONValue(space.fileBytes), "used_bytes": JSONValue(space.usedBytes),
            "max_bytes": core.configuration.maxStoreBytes.map { JSONValue($0) } ?? .null,
            "disk_free_bytes": space.diskFree.map { JSONValue($0) } ?? .null,
            "producers_wait": .bool(core.upkeep.isShort),
        ])
    }

    /// null: queue.dead_letter_dir isn't set.
    private var deadLetterFiles: JSONValue {
        let files = core.deadFiles
        guard let path = files.path else { return .null }
        return .object([
            "folder": .string(path), "written": JSONValue(files.written), "waiting": JSONValue(files.backlog.waiting),
            "failed": JSONValue(files.failures), "error": files.failure.map { .string("\($0)") } ?? .null,
        ])
    }

    private func queues(_ counts: [StateCount], _ names: [NameID: String]) -> [JSONValue] {
        struct Key: Hashable {
            var queue: NameID
            var site: NameID
        }
        var rows: [Key: [StoredState: Int64]] = [:]
        for count in counts { rows[Key(queue: count.queue, site: count.site), default: [:]][count.state] = count.count }
        let dispatcher = core.dispatcher
        for line in dispatcher.lines.values {
            for source in line.sources.values where source.site != 0 || line.isPlain {
                // Of a removed site only what is left is shown.
                guard source.isConfigured || source.claimed > 0 else { continue }
                rows[Key(queue: line.queue, site: source.site), default: [:]][.done] = 0
            }
        }
        let now = core.clock.steadyMs
        let described = rows.map { key, states -> (String, String, JSONValue) in
            let queue = names[key.queue] ?? ""
            let site = names[key.site] ?? ""
            let line = dispatcher.lines[key.queue]
            let source = line?.sources[key.site]
            let claimed = Int64(source?.claimed ?? 0)
            let delayed = (states[.delayed] ?? 0) + (states[.parked] ?? 0)
            var rateIn = source?.rateIn ?? CountRing()
            var rateOut = source?.rateOut ?? CountRing()
            let heldMs = source?.heldUntilMs ?? 0
            let group = core.destinations.path(
                group: line?.handler?.descriptor.group ?? .main,
                queue: QueueName(unchecked: queue),
                site: SiteName(unchecked: site)
            )
            let value = JSONValue.object([
                "queue": .string(queue), "group": line?.isPlain == true ? .null : .string(group),
                "site": .string(site),
                // What is claimed has no state of its own on disk: it is among the ready, or waits for its lane there.
                "ready": JSONValue(max(0, (states[.ready] ?? 0) - claimed)), "delayed": JSONValue(delayed),
                "claimed": JSONValue(claimed), "dead": JSONValue(states[.dead] ?? 0),
                "paused": .bool(source?.isPaused ?? false),
                // false: it waits for its site to be configured, or to enable the plugin.
                "configured": .bool(source?.isConfigured ?? true),
                "rate_in": .double(rateIn.perSecond(nowMs: now)), "rate_out": .double(rateOut.perSecond(nowMs: now)),
                "held_until": heldMs > now ? Self.moment(heldMs, aheadMs: core.clock.aheadMs) : .null,
            ])
            return (queue, site, value)
        }
        return described.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }

    private func lanes(_ rows: [(lane: StoredLane, waiting: Int64)], _ names: [NameID: String]) -> [JSONValue] {
        rows.map { lane, waiting in
            let memory = core.dispatcher.lanes[lane.hash]
            // Of the others the store's word is as good, and newer where the lane has just left memory.
            let isProbing = lane.state == .open && memory?.machine.circuit == .halfOpen
            return .object([
                "site": .string(names[lane.site] ?? ""), "queue": .string(names[lane.queue] ?? ""),
                "target": .string(lane.key), "state": .string(isProbing ? "half-open" : lane.state.word),
                "waiting": JSONValue(waiting), "concurrency": JSONValue(memory?.machine.concurrency ?? 1),
                "next_attempt": Self.moment(lane.nextAttemptMs, aheadMs: core.clock.aheadMs),
                "reason": .string(lane.reason),
                "attempts": JSONValue(lane.openings),
            ])
        }
    }

    private func needs(
        _ counts: [StateCount],
        _ lanes: [StoredLane],
        _ totals: [StoredLane.State: Int64],
        _ names: [NameID: String]
    ) -> BrokerNeeds {
        let dispatcher = core.dispatcher
        let now = core.clock.steadyMs
        var deaths = dispatcher.deaths
        var needs = BrokerNeeds()
        needs.shortage = core.upkeep.shortage
        needs.isStoreFull = dispatcher.isHoldingWrites
        needs.deadFilesFailure = core.deadFiles.failure
        needs.pauses = dispatcher.pauses
        needs.dead = counts.reduce(0) { $0 + ($1.state == .dead ? $1.count : 0) }
        needs.diedLately = deaths.total(nowMs: now)
        needs.blocks = dispatcher.blocks.map { (pattern: $0.pattern.text, site: $0.site) }
        needs.heldLanes = totals[.held] ?? 0
        needs.openLanes = totals[.open] ?? 0
        needs.firstHeld = lanes.first { $0.state == .held }.map {
            BrokerNeeds.Lane(target: $0.key, site: names[$0.site] ?? "", reason: $0.reason)
        }
        for line in dispatcher.lines.values {
            for source in line.sources.values where source.heldUntilMs > now {
                needs.heldQueues.append((queue: line.name, site: names[source.site] ?? "", reason: source.holdReason))
            }
        }
        return needs
    }
}
