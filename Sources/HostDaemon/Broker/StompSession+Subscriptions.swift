// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueStore
import Stomp

// The way out: subscriptions of plain STOMP queues and of topics.
extension StompSession {
    func subscribe(_ subscription: Subscription) {
        let destination = subscription.destination
        if destination.hasPrefix("/topic/") {
            core.topics.add(self, serial: subscription.serial, topic: destination)
            return
        }
        let queue = destination.hasPrefix("/") ? destination : "/queue/" + destination
        let consumer = SubscriptionConsumer(
            self,
            serial: subscription.serial,
            destination: destination,
            queue: queue
        )
        consumers[subscription.serial] = consumer
        consumer.begin()
    }

    /// What a transaction holds stays claimed until its end.
    func unsubscribe(_ subscription: Subscription, _ givenBack: [Int64]) {
        core.topics.remove(self, serial: subscription.serial, topic: subscription.destination)
        consumers.removeValue(forKey: subscription.serial)?.end()
        settle(Settlement(nacks: givenBack))
    }

    func settle(_ settlement: Settlement) {
        for token in settlement.acks {
            if let item = claimed.removeValue(forKey: token) { core.dispatcher.removePlain(item) }
        }
        core.dispatcher.returnPlain(settlement.nacks.compactMap { claimed.removeValue(forKey: $0) })
        // There is room for more now.
        for consumer in consumers.values { consumer.touch() }
    }

    /// The connection is over: its subscriptions end, and what isn't settled goes back.
    func leave() {
        _ = machine.end()
        core.topics.remove(self)
        for consumer in consumers.values { consumer.end() }
        consumers = [:]
        core.dispatcher.returnPlain(Array(claimed.values))
        claimed = [:]
    }

    /// A frame to a subscriber of a topic; one that doesn't keep up misses it.
    func publish(_ frame: StompFrame, topic: String, to serial: Int) {
        guard let context, context.channel.isWritable, machine.room(of: serial) > 0 else { return }
        core.lastTopicID += 1
        let id = "topic-\(core.lastTopicID)"
        guard let headers = machine.deliver(Int64(-core.lastTopicID), messageID: id, to: serial) else { return }
        write { encoder, buffer in
            encoder.start(.message, into: &buffer)
            if let subscription = headers.subscription { encoder.header(.subscription, subscription, into: &buffer) }
            encoder.header(.messageID, id, into: &buffer)
            encoder.header(.destination, topic, into: &buffer)
            if let ack = headers.ack { encoder.header("ack", ack, into: &buffer) }
            encoder.stored(
                frame.storedHeaders(except: [.destination, .contentLength, .receipt, .transaction]),
                into: &buffer
            )
            encoder.finish(.message, body: frame.body, into: &buffer)
        }
        context.flush()
    }
}
