// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp

extension ServerSessionStateMachine {
    /// A session that has connected with that version.
    static func connected(
        _ version: StompVersion = .v1_2,
        _ change: (inout ServerSessionConfiguration) -> Void = { _ in }
    ) throws -> ServerSessionStateMachine {
        var session = fresh(change)
        let line = version == .v1_0 ? "" : "accept-version:\(version)\n"
        _ = session.receive(try .reading("CONNECT\n\(line)\n"))
        return session
    }

    static func fresh(_ change: (inout ServerSessionConfiguration) -> Void = { _ in }) -> ServerSessionStateMachine {
        var configuration = ServerSessionConfiguration(
            server: "hostd/1.0",
            heartBeat: HeartBeatOffer(sends: 10_000, wants: 5000)
        )
        change(&configuration)
        return ServerSessionStateMachine(configuration: configuration, session: "s-1")
    }

    /// Feeds one frame, and says in a line what the broker is to do.
    mutating func take(_ text: String) throws -> String { receive(try .reading(text, version: version)).summary }

    /// Subscribes, and delivers tokens from 1 on with message-ids m1 and so on; returns what each ACK must name.
    mutating func deliver(_ count: Int, ack: String, subscription: String = "a") throws -> [DeliveryHeaders] {
        let text = "SUBSCRIBE\nid:\(subscription)\ndestination:/queue/\(subscription)\nack:\(ack)\n\n"
        guard case .subscribe(let subscription, _, _) = receive(try .reading(text, version: version)) else {
            throw NotSubscribed()
        }
        return (1...count).compactMap { deliver(Int64($0), messageID: "m\($0)", to: subscription.serial) }
    }
}

struct NotSubscribed: Error {}

extension ServerSessionAction {
    var summary: String {
        func with(_ receipt: String?, _ text: String) -> String { receipt.map { "\(text) receipt \($0)" } ?? text }
        switch self {
        case .connected(let connected):
            return
                "connected \(connected.version) client \(connected.clientHeartBeat) server \(connected.serverHeartBeat)"
        case .send(let frame, let receipt): return with(receipt, "send \(frame[.destination] ?? "-")")
        case .subscribe(let subscription, _, let receipt):
            return with(
                receipt,
                "subscribe \(subscription.serial) \(subscription.id ?? "-") \(subscription.destination) "
                    + "\(subscription.ackMode.rawValue) \(subscription.prefetch)"
            )
        case .unsubscribe(let subscription, let givenBack, let receipt):
            return with(receipt, "unsubscribe \(subscription.serial) back \(givenBack)")
        case .settle(let settlement, let receipt): return with(receipt, "settle \(settlement.summary)")
        case .commit(let sends, let settlement, let receipt):
            return with(receipt, "commit \(sends.map { $0[.destination] ?? "-" }) \(settlement.summary)")
        case .abort(let givenBack, let receipt): return with(receipt, "abort back \(givenBack)")
        case .noted(let receipt): return with(receipt, "noted")
        case .unknownDelivery(let id, let receipt): return with(receipt, "unknown \(id)")
        case .disconnect(let receipt): return with(receipt, "disconnect")
        case .fail(let error, let receipt): return with(receipt, "fail \(error.message)")
        }
    }
}

extension Settlement {
    var summary: String { "acks \(acks) nacks \(nacks)" }
}
