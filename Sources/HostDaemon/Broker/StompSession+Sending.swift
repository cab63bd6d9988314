// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueStore
import Stomp

// The way in: SEND and COMMIT, and how a producer is slowed that sends faster than the disk takes it.
extension StompSession {
    /// Octets of one connection's items that aren't on disk yet, past which it is read no further.
    private static let highWater = 4 << 20

    func send(_ frame: StompFrame, receipt: String?) {
        do throws(StompError) {
            switch try core.ingest(frame) {
            case .topic(let topic):
                core.control(frame, topic: topic)
                core.topics.publish(frame, topic: topic)
                complete([receipts.begin(receipt: receipt)])
            case .item(let item):
                burst.append((item, receipts.begin(receipt: receipt)))
                unstoredBytes += Self.cost(item)
            }
        } catch {
            perform(machine.fail(error, receipt: receipt))
        }
    }

    private static func cost(_ item: Incoming) -> Int { item.payload.count + 256 }

    /// What came in one read is stored together, and so is what it settled.
    ///
    /// Where room is short, a producer's burst waits, unless it is the last that comes of it.
    func finishBurst(isLast: Bool = false) {
        if !settled.isEmpty {
            let tickets = settled
            settled = []
            core.dispatcher.whenWritten { [self] in
                complete(tickets)
                context?.flush()
            }
        }
        guard !burst.isEmpty else { return }
        if isShortOfRoom, !isLast { return hold() }
        let sent = burst
        burst = []
        let bytes = sent.reduce(0) { $0 + Self.cost($1.item) }
        if unstoredBytes > Self.highWater || core.isFull || isShortOfRoom { isThrottled = true }
        let tickets = sent.map(\.ticket)
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.enqueue(sent.map(\.item)) { error in me.value.stored(tickets, bytes, error) }
    }

    /// One that also subscribes is read on: its ACKs make room.
    private var isShortOfRoom: Bool { core.upkeep.isShort && consumers.isEmpty }

    private func hold() {
        isThrottled = true
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.whenRoom { me.value.finishBurst() }
    }

    private func stored(_ tickets: [ReceiptOrder.Ticket], _ bytes: Int, _ error: QueueStoreError?) {
        unstoredBytes -= bytes
        if let error { refuse(error) } else { complete(tickets) }
        goOn()
        context?.flush()
    }

    private func goOn() {
        guard isThrottled, unstoredBytes < Self.highWater / 2 else { return }
        if core.isFull || isShortOfRoom {
            let me = NIOLoopBound(self, eventLoop: core.loop)
            core.whenRoom { me.value.goOn() }
            return
        }
        isThrottled = false
        readOn()
    }

    func commit(_ sends: [StompFrame], _ settlement: Settlement, _ ticket: ReceiptOrder.Ticket) {
        finishBurst(isLast: true)
        var items: [Incoming] = []
        for frame in sends {
            do throws(StompError) {
                switch try core.ingest(frame) {
                case .item(let item): items.append(item)
                case .topic(let topic):
                    core.control(frame, topic: topic)
                    core.topics.publish(frame, topic: topic)
                }
            } catch {
                perform(machine.fail(error, receipt: nil))
                return
            }
        }
        settle(Settlement(nacks: settlement.nacks))
        let acked = settlement.acks.compactMap { claimed.removeValue(forKey: $0) }
        let bytes = items.reduce(0) { $0 + Self.cost($1) }
        unstoredBytes += bytes
        let me = NIOLoopBound((self, acked), eventLoop: core.loop)
        // One transaction: the sends are there and the acknowledged are gone, or neither.
        core.enqueue(items, removing: acked.map(\.row.id)) { error in
            let (session, acked) = me.value
            if error == nil {
                for item in acked { session.core.dispatcher.endClaim(item, succeeded: true) }
            } else {
                session.core.dispatcher.returnPlain(acked)
            }
            session.stored([ticket], bytes, error)
        }
    }
}
