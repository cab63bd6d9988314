// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Logging
import NIOCore
import QueueCore
import Telemetry

/// What queuectl, the console and the control topic ask for.
extension Supervisor {
    /// For what the console shows: its own callers wait 5 s.
    private static let viewLimit = Duration.seconds(4)

    func answer(_ request: ControlRequest, _ reply: PendingReply) {
        switch request.command {
        case "ping": reply.succeed(.object(["version": .string(HostVersion.current), "pid": JSONValue(getpid())]))
        case "plugins": reply.succeed(pluginsReport)
        case "sites": reply.succeed(sitesReport)
        case "status": answerStatus(reply)
        case "metrics": answerMetrics(reply)
        case "update": ask(.update(site: request.arguments["site"]?.string), request, reply)
        case "restart": ask(.restart, request, reply)
        case "stop":
            reply.succeed(text: "hostd finishes what is in flight, then stops", ["pid": JSONValue(getpid())])
            beginStop(why: "queuectl stop")
        default: forward(request, reply)
        }
    }

    /// `wait: false`: whoever asks doesn't care what comes of it.
    private func ask(_ kind: ChangeRequest.Kind, _ request: ControlRequest, _ reply: PendingReply) {
        guard request.arguments["wait"]?.bool == false, stop == nil else { return ask(kind, reply: reply) }
        reply.succeed(text: "\(request.command): asked for")
        ask(kind)
    }

    /// A word from the control topic, as the broker passes it on.
    func heardCommand(_ name: String, _ arguments: [String: JSONValue]) {
        logger.info("command from the control topic", metadata: ["command": "\(name)"])
        switch name {
        case "stop": if stop == nil { beginStop(why: "control topic") }
        case "restart": ask(.restart)
        case "update": ask(.update(site: arguments["site"]?.string))
        default: logger.warning("unknown command from the control topic", metadata: ["command": "\(name)"])
        }
    }

    /// All that concerns items is the broker's.
    private func forward(_ request: ControlRequest, _ reply: PendingReply) {
        guard let broker = slots[.broker]?.readyLink else {
            return reply.fail("the broker isn't running just now; hostd starts it again: see its log")
        }
        // A million items take their time.
        let isBulk = ["dead.requeue", "dead.drop", "site.drop", "target.replay", "target.block"].contains(
            request.command
        )
        forwarded += 1
        broker.request(request.command, request.arguments, timeLimit: isBulk ? .seconds(1800) : .seconds(30))
            .whenComplete { [inbox] result in
                inbox.put(.forwardedAnswer)
                switch result {
                case .success(let value): reply.succeed(value)
                case .failure(ControlError.closed): reply.fail("the broker ended before it answered: see hostd's log")
                case .failure(ControlError.timedOut(let command, let limit)):
                    reply.fail("the broker gave no answer to `\(command)` within \(limit.components.seconds) s")
                case .failure(let error): reply.fail("\(error)")
                }
            }
    }

    private func answerStatus(_ reply: PendingReply) {
        let own: [String: JSONValue] = ["hostd": hostReport, "processes": processesReport]
        let needs = HostNeeds(
            plugins: pluginsReport,
            sites: sitesReport,
            configErrors: configErrors.sorted { $0.key < $1.key }.flatMap(\.value),
            memory: memoryNeeds
        )
        guard let broker = slots[.broker]?.readyLink else {
            return reply.succeed(needs.status(own: own, brokers: nil))
        }
        broker.request("status", timeLimit: Self.viewLimit).whenComplete { result in
            reply.succeed(needs.status(own: own, brokers: try? result.get()))
        }
    }

    private func answerMetrics(_ reply: PendingReply) {
        let parts = slots.values.filter { $0.id.role != .console }.compactMap { slot in
            slot.readyLink.map { link in
                link.request("metrics", timeLimit: Self.viewLimit).map { MetricsPart(serial: slot.process?.serial, $0) }
            }
        }
        EventLoopFuture.whenAllComplete(parts, on: loop).whenSuccess { [inbox] results in
            inbox.put(.measured(results.compactMap { try? $0.get() }, reply))
        }
    }

    /// Every process's newest figures are in, or its time was up.
    func measured(_ parts: [MetricsPart], _ reply: PendingReply) {
        for part in parts {
            guard let serial = part.serial, let pid = slotOfProcess[serial].flatMap({ slots[$0]?.process?.child.pid })
            else { continue }
            ledger.update(pid: pid, part.samples)
        }
        do {
            reply.succeed(try JSONValue(encoding: ledger.total() + ownSamples))
        } catch {
            reply.fail("metrics can't be written: \(error)")
        }
    }
}

/// What one process said of itself.
struct MetricsPart: Sendable {
    let serial: ProcessSerial?
    let samples: [MetricSample]

    init(serial: ProcessSerial?, _ answer: JSONValue) {
        self.serial = serial
        samples = (try? answer.decoded(as: [MetricSample].self)) ?? []
    }
}
