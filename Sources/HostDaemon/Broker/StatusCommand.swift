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
            (try reader.stateCounts(), try reader.lanes(limit: Self.lanes), try reader.names())
        } completion: { result in
            let commands = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (counts, lanes, names)):
                commands.reply(
                    ControlReply(
                        id: request.id,
                        result: .object([
                            "queues": .array(commands.queues(counts, names)),
                            "lanes": .array(commands.lanes(lanes, names)),
                            "listen": commands.listeners.port.map { JSONValue($0) } ?? .null,
                        ])
                    )
                )
            }
        }
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
            var rateIn = source?.rateIn ?? Rate()
            var rateOut = source?.rateOut ?? Rate()
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
                "rate_in": .double(rateIn.perSecond(nowMs: now)), "rate_out": .double(rateOut.perSecond(nowMs: now)),
            ])
            return (queue, site, value)
        }
        return described.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }

    private func lanes(_ rows: [(lane: StoredLane, waiting: Int64)], _ names: [NameID: String]) -> [JSONValue] {
        rows.map { lane, waiting in
            let memory = core.dispatcher.lanes[lane.hash]
            let isProbing = memory?.machine.circuit == .halfOpen
            return .object([
                "site": .string(names[lane.site] ?? ""), "queue": .string(names[lane.queue] ?? ""),
                "target": .string(lane.key), "state": .string(isProbing ? "half-open" : "open"),
                "waiting": JSONValue(waiting), "concurrency": JSONValue(memory?.machine.concurrency ?? 1),
                "next_attempt": .string(Self.time(lane.nextAttemptMs)), "reason": .string(lane.reason),
            ])
        }
    }
}
