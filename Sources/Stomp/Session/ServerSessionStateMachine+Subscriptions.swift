// SPDX-License-Identifier: Apache-2.0

/// SUBSCRIBE, UNSUBSCRIBE, ACK and NACK.
extension ServerSessionStateMachine {
    mutating func subscribe(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        let destination = try required(.destination, of: frame)
        let key = try key(of: frame)
        guard serials[key] == nil else { throw .duplicateSubscription(key.text) }
        guard subscriptions.count < configuration.maximumSubscriptions else {
            throw .tooMany("subscriptions", limit: configuration.maximumSubscriptions)
        }
        guard let ackMode = AckMode(header: frame[.ack]) else {
            throw .badHeader(name: "ack", found: frame[.ack] ?? "", wanted: "auto, client or client-individual")
        }
        let wanted = try wantedPrefetch(of: frame)
        lastSerial += 1
        let subscription = Subscription(
            serial: lastSerial,
            key: key,
            destination: destination,
            ackMode: ackMode,
            prefetch: min(wanted > 0 ? wanted : configuration.defaultPrefetch, configuration.maximumPrefetch)
        )
        subscriptions[lastSerial] = subscription
        serials[key] = lastSerial
        return .subscribe(subscription, frame, receipt: frame[.receipt])
    }

    mutating func unsubscribe(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        let key = try key(of: frame)
        guard let serial = serials.removeValue(forKey: key), let gone = subscriptions.removeValue(forKey: serial) else {
            throw .unknownSubscription(key.text)
        }
        return .unsubscribe(gone, givenBack: gone.pending.map(\.token), receipt: frame[.receipt])
    }

    /// RabbitMQ's header or ActiveMQ's; 0 = none.
    private func wantedPrefetch(of frame: StompFrame) throws(StompError) -> Int {
        if let wanted = try frame.integer(.prefetchCount) { return wanted }
        return try frame.integer(.activemqPrefetchSize) ?? 0
    }

    /// From 1.1 on a subscription has an id; a 1.0 client may name it by its destination alone.
    private func key(of frame: StompFrame) throws(StompError) -> Subscription.Key {
        if let id = frame[.id], !id.isEmpty { return .id(id) }
        if version > .v1_0 { throw .missingHeader(name: "id", command: frame.command) }
        return .destination(try required(.destination, of: frame))
    }

    mutating func settle(_ frame: StompFrame, isAck: Bool) throws(StompError) -> ServerSessionAction {
        if !isAck, version < .v1_1 { throw .commandNeedsVersion(.nack, .v1_1) }
        let transaction = try openTransaction(of: frame)
        let receipt = frame[.receipt]
        let taken: (serial: Int, deliveries: [PendingDelivery])
        do throws(StompError) {
            taken = try take(frame)
        } catch .unknownDelivery(_, let found) where version == .v1_0 {
            return .unknownDelivery(found, receipt: receipt)
        }
        if let transaction {
            extend(transaction) { $0.add(taken.deliveries, of: taken.serial, isAck: isAck) }
            return .noted(receipt: receipt)
        }
        let tokens = taken.deliveries.map(\.token)
        return .settle(isAck ? Settlement(acks: tokens) : Settlement(nacks: tokens), receipt: receipt)
    }

    /// Takes what an ACK or NACK names out of its subscription's unacknowledged deliveries.
    private mutating func take(_ frame: StompFrame) throws(StompError) -> (serial: Int, deliveries: [PendingDelivery]) {
        if version == .v1_2 {
            let id = try required(.id, of: frame)
            let parts = id.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2, let serial = Int(parts[0]), let sequence = UInt64(parts[1]),
                let deliveries = subscriptions[serial]?.take(sequence: sequence)
            else { throw .unknownDelivery(header: "ack id", found: id) }
            return (serial, deliveries)
        }
        let messageID = try required(.messageID, of: frame)
        if version == .v1_1 || frame.has(.subscription) {
            let id = try required(.subscription, of: frame)
            if let serial = serials[.id(id)], let deliveries = subscriptions[serial]?.take(messageID: messageID) {
                return (serial, deliveries)
            }
            throw .unknownDelivery(header: "message-id", found: messageID)
        }
        for serial in subscriptions.keys.sorted() {
            if let deliveries = subscriptions[serial]?.take(messageID: messageID) { return (serial, deliveries) }
        }
        throw .unknownDelivery(header: "message-id", found: messageID)
    }

    /// The value of a header that must be there and not be empty.
    func required(_ name: StompHeaderName, of frame: StompFrame) throws(StompError) -> String {
        guard let value = frame[name], !value.isEmpty else {
            throw .missingHeader(name: name.description, command: frame.command)
        }
        return value
    }
}

extension Subscription.Key {
    var text: String {
        switch self {
        case .id(let text), .destination(let text): text
        }
    }
}
