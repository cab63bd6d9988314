// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import NIOCore
import QueueCore
import QueueStore
import Telemetry

extension BrokerCommands {
    /// The broker's samples, as a JSON array.
    func metrics(_ request: ControlRequest) {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            (try reader.stateCounts(), try reader.names(), try reader.laneCounts())
        } completion: { result in
            let commands = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (counts, names, lanes)):
                commands.reply(commands.encode(request, commands.samples(counts, names, lanes)))
            }
        }
    }

    private func samples(
        _ counts: [StateCount],
        _ names: [NameID: String],
        _ lanes: [StoredLane.State: Int64]
    ) -> [MetricSample] {
        let dispatcher = core.dispatcher
        var gauges = Counters()
        var ready: [NameID: Int64] = [:]
        for (queue, line) in dispatcher.lines {
            let claimed = line.sources.values.reduce(0) { $0 + $1.claimed }
            // What is claimed has no state of its own on disk.
            ready[queue] = -Int64(claimed)
            gauges.set(
                HostMetrics.items,
                ["queue": names[queue] ?? line.name, "state": "claimed"],
                to: Double(claimed)
            )
        }
        for count in counts {
            let state: String
            switch count.state {
            case .ready:
                ready[count.queue, default: 0] += count.count
                continue
            case .delayed, .parked: state = "delayed"
            case .dead: state = "dead"
            case .done, .discarded: continue
            }
            let labels = ["queue": names[count.queue] ?? "", "state": state]
            gauges.add(Double(count.count), to: HostMetrics.items, labels)
        }
        for (queue, number) in ready {
            let labels = ["queue": names[queue] ?? "", "state": "ready"]
            gauges.set(HostMetrics.items, labels, to: Double(max(0, number)))
        }
        let halfOpen = dispatcher.lanes.values.count { $0.machine.circuit == .halfOpen }
        let closed = dispatcher.lanes.values.count { $0.machine.circuit == .closed }
        gauges.set(HostMetrics.lanes, ["state": "closed"], to: Double(closed))
        gauges.set(HostMetrics.lanes, ["state": "half-open"], to: Double(halfOpen))
        gauges.set(HostMetrics.lanes, ["state": "open"], to: Double(max(0, (lanes[.open] ?? 0) - Int64(halfOpen))))
        gauges.set(HostMetrics.lanes, ["state": "held"], to: Double(lanes[.held] ?? 0))
        gauges.set(HostMetrics.lanes, ["state": "blocked"], to: Double(lanes[.blocked] ?? 0))
        gauges.set(HostMetrics.blocks, [:], to: Double(dispatcher.blocks.count))
        gauges.set(HostMetrics.paused, [:], to: Double(dispatcher.pauses.values.count { $0 }))
        addRoom(to: &gauges)
        return dispatcher.outcomes.samples + gauges.snapshot()
    }

    private func addRoom(to gauges: inout Counters) {
        let space = core.store.space
        gauges.set(HostMetrics.storeUsed, [:], to: Double(space.usedBytes))
        gauges.set(HostMetrics.storeFile, [:], to: Double(space.fileBytes))
        if let limit = core.configuration.maxStoreBytes { gauges.set(HostMetrics.storeLimit, [:], to: Double(limit)) }
        if let free = space.diskFree { gauges.set(HostMetrics.diskFree, [:], to: Double(free)) }
        gauges.set(HostMetrics.producersWait, [:], to: core.upkeep.isShort ? 1 : 0)
        let files = core.deadFiles
        guard files.path != nil else { return }
        gauges.set(HostMetrics.deadFilesWritten, [:], to: Double(files.written))
        gauges.set(HostMetrics.deadFilesWaiting, [:], to: Double(files.backlog.waiting))
        gauges.set(HostMetrics.deadFilesFailed, [:], to: Double(files.failures))
    }

    private func encode(_ request: ControlRequest, _ samples: [MetricSample]) -> ControlReply {
        do {
            let value = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(samples))
            return ControlReply(id: request.id, result: value)
        } catch {
            return ControlReply(id: request.id, error: "the broker's metrics can't be written: \(error)")
        }
    }
}
