// SPDX-License-Identifier: Apache-2.0

/// What the broker must do for a client's frame.
///
/// `receipt` is the frame's receipt id: RECEIPT goes out (by `ReceiptOrder`) when the work is durable. Tokens are the
/// numbers that the broker gave to `deliver`.
package enum ServerSessionAction: Sendable {
    /// Write CONNECTED, set the decoder's version, start heart-beats.
    case connected(StompConnected)
    case send(StompFrame, receipt: String?)
    case subscribe(Subscription, StompFrame, receipt: String?)
    /// The unacknowledged deliveries go back to the queue.
    case unsubscribe(Subscription, givenBack: [Int64], receipt: String?)
    case settle(Settlement, receipt: String?)
    /// All of it becomes durable, or nothing.
    case commit(sends: [StompFrame], Settlement, receipt: String?)
    /// The deliveries of subscriptions that are gone go back to the queue; the others are unacknowledged again.
    case abort(givenBack: [Int64], receipt: String?)
    /// Nothing to do but to answer, if a receipt is wanted: BEGIN, and what waits for a COMMIT.
    case noted(receipt: String?)
    /// A 1.0 client acknowledged what isn't its own (old ones do after a reconnect): log it, and answer.
    case unknownDelivery(String, receipt: String?)
    /// Answer when all before it is durable, then close.
    case disconnect(receipt: String?)
    /// Write ERROR and close. No later frame is looked at.
    case fail(StompError, receipt: String?)
}

/// Deliveries that a client has decided on, in the order in which they were delivered.
package struct Settlement: Sendable, Equatable {
    package var acks: [Int64]
    package var nacks: [Int64]

    package init(acks: [Int64] = [], nacks: [Int64] = []) {
        self.acks = acks
        self.nacks = nacks
    }
}

/// What was agreed at CONNECT.
package struct StompConnected: Sendable, Equatable {
    package let version: StompVersion
    package let session: String
    package let server: String
    package let serverHeartBeat: HeartBeatOffer
    package let clientHeartBeat: HeartBeatOffer

    package init(
        version: StompVersion,
        session: String,
        server: String,
        serverHeartBeat: HeartBeatOffer,
        clientHeartBeat: HeartBeatOffer
    ) {
        self.version = version
        self.session = session
        self.server = server
        self.serverHeartBeat = serverHeartBeat
        self.clientHeartBeat = clientHeartBeat
    }
}

/// The headers that a MESSAGE must carry besides destination and the broker's own.
package struct DeliveryHeaders: Sendable, Equatable {
    /// nil: a 1.0 client that subscribed without an id.
    package let subscription: String?
    /// The 1.2 client's id for ACK and NACK; nil otherwise.
    package let ack: String?
    /// With `ack:auto` the delivery is settled by being sent.
    package let isSettled: Bool

    package init(subscription: String?, ack: String?, isSettled: Bool) {
        self.subscription = subscription
        self.ack = ack
        self.isSettled = isSettled
    }
}
