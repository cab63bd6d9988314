// SPDX-License-Identifier: Apache-2.0

/// SEND, and BEGIN, COMMIT, ABORT.
extension ServerSessionStateMachine {
    mutating func send(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        guard let field = frame.field(.destination), field.valueLength > 0 else {
            throw .missingHeader(name: "destination", command: .send)
        }
        guard let transaction = try openTransaction(of: frame) else { return .send(frame, receipt: frame[.receipt]) }
        extend(transaction) { $0.add(frame) }
        return .noted(receipt: frame[.receipt])
    }

    mutating func begin(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        let id = try required(.transaction, of: frame)
        guard transactions[id] == nil else { throw .duplicateTransaction(id) }
        guard transactions.count < configuration.maximumTransactions else {
            throw .tooMany("open transactions", limit: configuration.maximumTransactions)
        }
        transactions[id] = StompTransaction()
        return .noted(receipt: frame[.receipt])
    }

    mutating func commit(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        let id = try required(.transaction, of: frame)
        guard let transaction = remove(id) else { throw .unknownTransaction(id) }
        let settlement = Settlement(
            acks: transaction.acks.map(\.delivery.token),
            nacks: transaction.nacks.map(\.delivery.token)
        )
        return .commit(sends: transaction.sends, settlement, receipt: frame[.receipt])
    }

    mutating func abort(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        let id = try required(.transaction, of: frame)
        guard transactions[id] != nil else { throw .unknownTransaction(id) }
        return .abort(givenBack: close(id), receipt: frame[.receipt])
    }

    /// The transaction that a SEND, ACK or NACK belongs to, if there is room for it; nil = none.
    func openTransaction(of frame: StompFrame) throws(StompError) -> String? {
        guard let id = frame[.transaction] else { return nil }
        guard transactions[id] != nil else { throw .unknownTransaction(id) }
        guard transactionFrames < configuration.maximumTransactionFrames else {
            throw .tooMany("frames in open transactions", limit: configuration.maximumTransactionFrames)
        }
        guard transactionBytes + frame.size <= configuration.maximumTransactionBytes else {
            throw .tooMany("octets in open transactions", limit: configuration.maximumTransactionBytes)
        }
        return id
    }

    /// Changes an open transaction and keeps the connection's sums right.
    mutating func extend(_ id: String, _ change: (inout StompTransaction) -> Void) {
        guard var transaction = transactions.removeValue(forKey: id) else { return }
        transactionFrames -= transaction.frames
        transactionBytes -= transaction.bytes
        change(&transaction)
        transactionFrames += transaction.frames
        transactionBytes += transaction.bytes
        transactions[id] = transaction
    }

    /// Forgets a transaction and makes its deliveries unacknowledged again; returns those whose subscription is gone.
    mutating func close(_ id: String) -> [Int64] {
        guard let transaction = remove(id) else { return [] }
        var givenBack: [Int64] = []
        for held in transaction.acks + transaction.nacks {
            if subscriptions[held.serial] == nil {
                givenBack.append(held.delivery.token)
            } else {
                subscriptions[held.serial]?.restore(held.delivery)
            }
        }
        return givenBack
    }

    private mutating func remove(_ id: String) -> StompTransaction? {
        guard let transaction = transactions.removeValue(forKey: id) else { return nil }
        transactionFrames -= transaction.frames
        transactionBytes -= transaction.bytes
        return transaction
    }
}
