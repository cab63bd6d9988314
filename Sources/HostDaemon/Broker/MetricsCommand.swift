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
            (try reader.stateCounts(), try reader.names(), try reader.openLanes())
        } completion: { result in
            let commands = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (counts, names, openLanes)):
                commands.reply(commands.encode(request, commands.samples(counts, names, openLanes: openLanes)))
            }
        }
    }

    private func samples(_ counts: [StateCount], _ names: [NameID: String], openLanes: Int64) -> [MetricSample] {
        let dispatcher = core.dispatcher
        var gauges = Counters()
        for (queue, line) in dispatcher.lines {
            let claimed = line.sources.values.reduce(0) { $0 + $1.claimed }
            gauges.set(
                HostMetrics.items,
                ["queue": names[queue] ?? line.name, "state": "claimed"],
                to: Double(claimed)
            )
        }
        for count in counts {
            let state: String
            switch count.state {
            case .ready: state = "ready"
            case .delayed, .parked: state = "delayed"
            case .dead: state = "dead"
            case .done, .discarded: continue
            }
            let labels = ["queue": names[count.queue] ?? "", "state": state]
            gauges.add(Double(count.count), to: HostMetrics.items, labels)
        }
        let halfOpen = dispatcher.lanes.values.count { $0.machine.circuit == .halfOpen }
        let closed = dispatcher.lanes.values.count { $0.machine.circuit == .closed }
        gauges.set(HostMetrics.lanes, ["state": "closed"], to: Double(closed))
        gauges.set(HostMetrics.lanes, ["state": "half-open"], to: Double(halfOpen))
        gauges.set(HostMetrics.lanes, ["state": "open"], to: Double(max(0, openLanes - Int64(halfOpen))))
        return dispatcher.outcomes.samples + gauges.snapshot()
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
