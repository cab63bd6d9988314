// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import QueueCore
import QueueStore
import Stomp

/// A SEND as the broker understands it.
enum Ingested {
    case item(Incoming)
    /// To the subscribers of a topic; not stored.
    case topic(String)
}

// From frames and handlers' items to rows: the one place where hostd judges what comes in.
extension BrokerCore {
    /// A notice frame may have 1 MiB (interfaces).
    static let maxFrame = 1 << 20

    func ingest(_ frame: StompFrame) throws(StompError) -> Ingested {
        guard let destination = frame[.destination], !destination.isEmpty else {
            throw .missingHeader(name: "destination", command: .send)
        }
        if destination.hasPrefix("/topic/") { return .topic(destination) }
        let now = clock.wallMs
        var item: Incoming
        if destinations.isOwn(destination) {
            item = own(frame, nowMs: now)
        } else {
            // A name without a kind before it is a queue's, as on RabbitMQ.
            let queue = destination.hasPrefix("/") ? destination : "/queue/" + destination
            item = Incoming(queue: queue, site: "", payload: Array(frame.body.readableBytesView), enqueuedMs: now)
            item.headers = Array(
                frame.storedHeaders(
                    except: [
                        .destination, .contentLength, .receipt, .transaction, .messageID, .subscription, "ack", "delay",
                        "dedupe", "redelivered", "delivery-count",
                    ]
                ).readableBytesView
            )
        }
        if let priority = try frame.integer("priority") { item.priority = UInt8(min(max(priority, 0), 9)) }
        if let delay = try frame.integer("delay"), delay > 0 { item.dueMs = clock.steadyMs + Int64(delay) }
        if let expires = try frame.integer("expires"), expires > 0 { item.expiresMs = Int64(expires) }
        if let key = frame["dedupe"] { item.dedupeKey = key }
        return .item(item)
    }

    private func own(_ frame: StompFrame, nowMs: Int64) -> Incoming {
        var site = frame["site"] ?? ""
        var queue = frame["queue"] ?? ""
        var payload = Array(frame.body.readableBytesView)
        var number: String?
        if site.isEmpty, queue.isEmpty, let envelope = LegacyEnvelope(payload) {
            site = envelope.site
            queue = envelope.queue
            switch envelope.payload {
            case .frame(let frame): payload = frame
            case .noticeNumber(let text): number = text
            }
        }
        var item = own(site: site, queue: queue, payload: payload, nowMs: nowMs)
        item.target = frame["target"] ?? ""
        if let number, item.dead == nil {
            item.dead = (
                .badFrame,
                "the envelope holds only the notice's number \(number), and the notice itself is in the sender's database: "
                    + "send the notice as JSON"
            )
        }
        return item
    }

    /// An item for one of hostd's own queues, judged.
    func own(site: String, queue: String, payload: [UInt8], nowMs: Int64) -> Incoming {
        switch directory.admit(site: site, queue: queue) {
        case .accepted(let site, let queue): return accepted(site: site, queue: queue, payload: payload, nowMs: nowMs)
        case .refused(let reason, let text):
            var item = Incoming(queue: queue, site: site, payload: payload, enqueuedMs: nowMs)
            item.dead = (reason, text)
            return item
        }
    }

    private func accepted(site: SiteName, queue: QueueName, payload: [UInt8], nowMs: Int64) -> Incoming {
        var item = Incoming(queue: queue.rawValue, site: site.rawValue, payload: payload, enqueuedMs: nowMs)
        if let priority = configuration.priorities[queue] { item.priority = UInt8(min(max(priority, 0), 9)) }
        if configuration.expiresMs > 0 { item.expiresMs = nowMs + configuration.expiresMs }
        if payload.count > Self.maxFrame {
            item.dead = (.badFrame, "the frame has \(payload.count) bytes, the limit is \(Self.maxFrame)")
        }
        return item
    }

    /// An item that a handler staged or enqueued.
    ///
    /// `isBulk`: of a later chunk of a big fan-out.
    func made(_ new: NewItem, site: SiteName, notice: Int64?, isBulk: Bool) -> Incoming {
        let now = clock.wallMs
        var item: Incoming
        if directory.isOutput(new.queue) {
            item = Incoming(
                queue: configuration.basename + new.queue.rawValue,
                site: "",
                payload: new.payload,
                enqueuedMs: now
            )
            item.headers = Array("site:\(site)\n".utf8)
        } else {
            item =
                directory.awaitsSite(site, new.queue)
                ? accepted(site: site, queue: new.queue, payload: new.payload, nowMs: now)
                : own(site: site.rawValue, queue: new.queue.rawValue, payload: new.payload, nowMs: now)
            item.target = new.target
            item.lane = new.lane
        }
        item.shared = new.shared
        item.dedupeKey = new.dedupeKey
        if new.priority != Priority.normal { item.priority = new.priority }
        if isBulk, item.priority > 0 { item.priority -= 1 }
        if new.delayMs > 0 { item.dueMs = clock.steadyMs + Int64(new.delayMs) }
        if new.expiresMs > 0 { item.expiresMs = new.expiresMs }
        item.notice = notice
        return item
    }
}
