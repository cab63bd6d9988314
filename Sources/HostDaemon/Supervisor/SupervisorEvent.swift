// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore

/// All that happens to the supervisor, in one order.
enum SupervisorEvent: Sendable {
    case signal(Int32)
    /// Time for pings.
    case beat
    case memoryDue
    case watchdogDue
    case linked(ProcessSerial, ChildLink)
    case heard(ProcessSerial, ChildMessage)
    /// The child closed its end of the channel: nothing more is heard of it.
    case hungUp(ProcessSerial)
    /// It ended a while ago, but somebody that it left behind keeps its channel open.
    case endedLongAgo(ProcessSerial)
    /// A drain, or a start, that takes too long.
    case overdue(ProcessSerial, SlotStateMachine.Input, why: String)
    case spawnDue(SlotID, turn: Int)
    /// A hunter may have nothing to hunt any more.
    case huntsDue
    /// The time of sites that were left shut may have come.
    case siteTrialsDue
    case scanned(PluginCatalog)
    /// plugins.d has changed and settled.
    case pluginsChanged
    /// Files of plugins.d have been open for writing for long.
    case pluginsUnfinished([String])
    /// Time to ask a canary, and those beside it, how their deliveries ended.
    case canaryBeat(PluginName, generation: Int)
    case canaryOver(PluginName, generation: Int, watch: Int)
    /// All who had to hear of a changed configuration have taken it in.
    case updateHeard
    case announce(stompPort: Int64?)
    case measured([MetricsPart], PendingReply)
    case request(ControlRequest, PendingReply)
    /// The broker has answered, or won't, what was passed on to it.
    case forwardedAnswer
    /// A new executable was run beside this one.
    case tried(ExecutableFile.Identity, ExecutableTrial.Verdict)
    case handOverDue(look: Int)
    /// Nothing is read any more, from children and on the control socket.
    case frozen([ProcessSerial: ChildLink.Remainder], ControlServer.Handed)
    case handOverNow([ProcessSerial: ChildLink.Remainder], ControlServer.Handed)

    /// Who waits for what comes of it.
    var reply: PendingReply? {
        switch self {
        case .measured(_, let reply), .request(_, let reply): reply
        default: nil
        }
    }
}

/// Names a process among all that this supervisor ever started: unlike a pid it is never used again.
struct ProcessSerial: Hashable, Sendable {
    var number: Int
}

/// Somebody who waits for the answer to a command; answered exactly once.
struct PendingReply: Sendable {
    let id: Int
    let send: @Sendable (ControlReply) -> Void

    func succeed(_ result: JSONValue) { send(ControlReply(id: id, result: result)) }
    func fail(_ line: String) { send(ControlReply(id: id, error: line)) }
    /// `text` is what queuectl prints.
    func succeed(text: String, _ members: [String: JSONValue] = [:]) {
        succeed(.object(members.merging(["text": .string(text)]) { _, text in text }))
    }
}

/// Where events come in, from any thread; the supervisor takes them out one by one.
struct SupervisorInbox: Sendable {
    let events: AsyncStream<SupervisorEvent>
    private let continuation: AsyncStream<SupervisorEvent>.Continuation

    init() { (events, continuation) = AsyncStream.makeStream() }

    func put(_ event: SupervisorEvent) {
        if case .terminated = continuation.yield(event) { event.reply?.fail("hostd has stopped") }
    }

    /// What is in it is still taken out.
    func close() { continuation.finish() }

    /// Asks the supervisor and waits for its answer: what the control server does with each request.
    func answer(_ request: ControlRequest) async -> ControlReply {
        await withCheckedContinuation { waiting in
            put(.request(request, PendingReply(id: request.id) { waiting.resume(returning: $0) }))
        }
    }
}
