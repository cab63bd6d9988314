// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import QueueCore
import QueueStore

// One target: how it is, and "try it now".
extension BrokerCommands {
    /// Waiting items of each state that are looked at for a count.
    private static let mostCounted = 200_000
    /// How long history is searched for the last delivery.
    private static let searchMs: Int64 = 5000

    func targetArgument(_ request: ControlRequest) -> String? {
        if let target = request.arguments["target"]?.string, !target.isEmpty { return target }
        reply(ControlReply(id: request.id, error: "which target? give it as `queuectl status` shows it"))
        return nil
    }

    // MARK: Show

    func targetShow(_ request: ControlRequest) {
        guard let target = targetArgument(request), let site = siteArgument(request) else { return }
        core.dispatcher.flushWrites()
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            (
                try reader.lanes(key: target), try reader.waiting(forTarget: target, limit: Self.mostCounted),
                try reader.idRange(), try reader.names()
            )
        } completion: { result in
            switch result {
            case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (rows, waiting, range, names)):
                let commands = me.value
                var view = TargetView(target: target, names: names, aheadMs: commands.core.clock.aheadMs)
                view.add(rows)
                view.add(waiting)
                view.add(commands.core.dispatcher, nowMs: commands.core.clock.steadyMs)
                if let site { view.keep(site: site) }
                commands.search(request, view, range, giveUpMs: commands.core.clock.steadyMs + Self.searchMs)
            }
        }
    }

    /// Back through history, until the last delivery and the last death are found.
    private func search(_ request: ControlRequest, _ view: TargetView, _ range: ClosedRange<Int64>?, giveUpMs: Int64) {
        guard let range else {
            reply(ControlReply(id: request.id, result: view.document))
            return
        }
        let target = view.target
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.ended(target: target, below: range.upperBound + 1, downTo: range.lowerBound)
        } completion: { result in
            let commands = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (items, next)):
                var view = view
                view.add(items)
                let isOver = view.isComplete || commands.core.clock.steadyMs > giveUpMs
                guard let next, !isOver else {
                    commands.reply(ControlReply(id: request.id, result: view.document))
                    return
                }
                commands.search(request, view, range.lowerBound...max(range.lowerBound, next - 1), giveUpMs: giveUpMs)
            }
        }
    }

    // MARK: Retry now

    func targetRetry(_ request: ControlRequest) {
        guard let target = targetArgument(request), let site = siteArgument(request) else { return }
        let dispatcher = core.dispatcher
        let siteID = site.map { dispatcher.ids[$0] ?? -1 }
        let now = core.clock.steadyMs
        dispatcher.flushWrites()
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.hurry(target: target, site: siteID, nowMs: now)
        } completion: { result in
            switch result {
            case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let hurried): me.value.retryLanes(request, target, siteID, hurried: hurried)
            }
        }
    }

    private func retryLanes(_ request: ControlRequest, _ target: String, _ site: NameID?, hurried: Int) {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.lanes(key: target)
        } completion: { result in
            let commands = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let rows):
                let dispatcher = commands.core.dispatcher
                if hurried > 0 { dispatcher.expectDue(commands.core.clock.steadyMs) }
                func isMeant(_ source: Source) -> Bool { site == nil || source.site == site }
                let mine = rows.filter { site == nil || $0.lane.site == site }
                let count = dispatcher.retryNow(mine.map(\.lane), key: target, isMeant: isMeant)
                let waiting = mine.reduce(Int64(hurried)) { $0 + $1.waiting }
                let isBlocked = dispatcher.lines.values.contains { line in
                    line.sources.values.contains { isMeant($0) && dispatcher.isBlocked(target, $0) }
                }
                let members: [String: JSONValue] = [
                    "target": .string(target), "lanes": JSONValue(count), "waiting": JSONValue(waiting),
                    "blocked": .bool(isBlocked),
                ]
                commands.reply(ControlReply(id: request.id, result: .object(members)))
            }
        }
    }
}

/// A target as `queuectl target URL show` tells it, gathered from store and memory.
///
/// Pure.
struct TargetView: Sendable {
    let target: String
    let names: [NameID: String]
    /// Lanes have steady times, history has those of the wall clock.
    let aheadMs: Int64
    private var lanes: [LaneHash: Row] = [:]
    private var lastDeliveredMs: Int64 = 0
    private var lastDeath: (ms: Int64, text: String) = (0, "")

    struct Row: Sendable {
        var queue: NameID
        var site: NameID
        var key: String
        var state = "closed"
        var concurrency: Int?
        var inFlight = 0
        var waiting: Int64 = 0
        var nextAttemptMs: Int64 = 0
        var reason = ""
        var openings: Int64 = 0
        var failedMs: Int64 = 0
    }

    init(target: String, names: [NameID: String], aheadMs: Int64) {
        self.target = target
        self.names = names
        self.aheadMs = aheadMs
    }

    mutating func add(_ rows: [(lane: StoredLane, waiting: Int64)]) {
        for (lane, waiting) in rows {
            lanes[lane.hash] = Row(
                queue: lane.queue,
                site: lane.site,
                key: lane.key,
                state: lane.state.word,
                waiting: waiting,
                nextAttemptMs: lane.state == .closed ? 0 : lane.nextAttemptMs,
                reason: lane.reason,
                openings: lane.openings,
                failedMs: lane.failedMs
            )
        }
    }

    mutating func add(_ waiting: [TargetWaiting]) {
        for part in waiting {
            let key = part.laneKey.isEmpty ? target : part.laneKey
            let hash = LaneHash(site: part.site, queue: part.queue, key: key)
            lanes[hash, default: Row(queue: part.queue, site: part.site, key: key)].waiting += part.count
        }
    }

    /// What is in memory knows better than the store how it is.
    mutating func add(_ dispatcher: Dispatcher, nowMs: Int64) {
        for lane in dispatcher.lanes.values where lane.key == target || lanes[lane.hash] != nil {
            var row = lanes[lane.hash] ?? Row(queue: lane.source.queue, site: lane.source.site, key: lane.key)
            row.state = lane.word(nowMs: nowMs)
            row.concurrency = lane.machine.concurrency
            row.inFlight = lane.machine.inFlight
            row.waiting = max(0, row.waiting - Int64(row.inFlight))
            row.nextAttemptMs = lane.nextAttemptMs ?? 0
            row.reason = lane.isBlocked ? TargetBlock.reason : row.state == "closed" ? "" : lane.reason
            row.openings = lane.machine.openings
            row.failedMs = max(row.failedMs, lane.failedMs)
            lanes[lane.hash] = row
        }
    }

    mutating func keep(site: String) { lanes = lanes.filter { names[$0.value.site] == site } }

    mutating func add(_ items: [EndedItem]) {
        for item in items {
            if item.state == .done {
                lastDeliveredMs = max(lastDeliveredMs, item.endedMs)
            } else if item.endedMs > lastDeath.ms {
                lastDeath = (item.endedMs, item.text)
            }
        }
    }

    /// Where a lane failed, it knows when; where none did, that is in history at most.
    var isComplete: Bool { lastDeliveredMs > 0 && (lastDeath.ms > 0 || lanes.values.contains { $0.failedMs > 0 }) }

    var document: JSONValue {
        let rows = lanes.values.sorted {
            (names[$0.site] ?? "", names[$0.queue] ?? "", $0.key) < (
                names[$1.site] ?? "", names[$1.queue] ?? "", $1.key
            )
        }
        var failure = lastDeath
        for row in rows where row.failedMs > 0 && row.failedMs + aheadMs > failure.ms {
            failure = (row.failedMs + aheadMs, row.reason)
        }
        return .object([
            "target": .string(target), "lanes": .array(rows.map(describe)),
            "last_delivered": BrokerCommands.moment(lastDeliveredMs),
            "last_failure": failure.ms == 0
                ? .null
                : .object(["time": BrokerCommands.moment(failure.ms), "reason": .string(failure.text)]),
        ])
    }

    private func describe(_ row: Row) -> JSONValue {
        .object([
            "site": .string(names[row.site] ?? ""), "queue": .string(names[row.queue] ?? ""), "lane": .string(row.key),
            "state": .string(row.state), "concurrency": row.concurrency.map { JSONValue($0) } ?? .null,
            "in_flight": JSONValue(row.inFlight), "waiting": JSONValue(row.waiting),
            "next_attempt": BrokerCommands.moment(row.nextAttemptMs, aheadMs: aheadMs), "reason": .string(row.reason),
            "attempts": JSONValue(row.openings), "last_failure": BrokerCommands.moment(row.failedMs, aheadMs: aheadMs),
        ])
    }
}

extension StoredLane.State {
    /// As status and metrics say it.
    var word: String {
        switch self {
        case .closed: "closed"
        case .open: "open"
        case .blocked: "blocked"
        case .held: "held"
        }
    }
}

extension Lane {
    func word(nowMs: Int64) -> String {
        if isBlocked { return "blocked" }
        return switch machine.circuit {
        case .closed: "closed"
        case .held(let untilMs): untilMs > nowMs ? "held" : "closed"
        case .open: "open"
        case .halfOpen: "half-open"
        }
    }
}
