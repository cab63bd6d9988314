// SPDX-License-Identifier: Apache-2.0

import PluginKit

// What goes out: stanzas in order, who waits for each, and how it is known that the server has them.
extension XMPPConnection {
    /// Who waits for a stanza, and its number in the outbox.
    struct Waiter {
        let continuation: CheckedContinuation<Fate, Never>
        let number: UInt64
    }

    /// Sends a stanza and waits until the server has it.
    ///
    /// Where the task is cancelled, it waits for a moment only.
    func deliver(_ bytes: [UInt8], id: StanzaID) async -> Fate {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard let number = send(bytes, id: id) else {
                    return continuation.resume(returning: .offline(problem))
                }
                waiters[id] = Waiter(continuation: continuation, number: number)
            }
        } onCancel: {
            Task { @HostActor in self.giveUpSoon(id) }
        }
    }

    /// Sends a stanza; its number in the outbox.
    ///
    /// Without an id nobody waits for it.
    @discardableResult
    func send(_ bytes: [UInt8], id: StanzaID? = nil) -> UInt64? {
        guard let session else { return nil }
        // Only a stream that may be resumed has to send them again.
        let isResumable = if case .management(_?) = session.acks { true } else { false }
        let number = outbox.append(isResumable ? bytes : [], id: id)
        unsent += bytes
        guard !willFlush else { return number }
        willFlush = true
        // Once for all the items that the host hands over in one go.
        Task { @HostActor in
            self.willFlush = false
            self.flush()
        }
        return number
    }

    /// A stanza came back.
    ///
    /// False: nobody waits for it any more.
    func bounce(_ id: StanzaID, _ error: StanzaError) -> Bool {
        guard let waiter = waiters[id] else { return false }
        outbox.forget(waiter.number)
        resolve(id, .bounced(error))
        return true
    }

    func giveUpSoon(_ id: StanzaID) {
        guard waiters[id] != nil else { return }
        let timer = try? site.timers.after(Self.farewell) { [weak self] in self?.giveUp(id) }
        if timer == nil { giveUp(id) }
    }

    func giveUp(_ id: StanzaID) {
        if let waiter = waiters[id] { outbox.forget(waiter.number) }
        resolve(id, .lost)
    }

    func resolve(_ id: StanzaID, _ fate: Fate) {
        waiters.removeValue(forKey: id)?.continuation.resume(returning: fate)
    }

    var ackID: String { "ack-\(ackCount)" }

    func flush() {
        guard let session, let stream, !isBlocked else { return }
        if outbox.wantsRequest { ask(session) }
        guard !unsent.isEmpty else { return }
        do {
            try stream.write(unsent)
            unsent.removeAll(keepingCapacity: unsent.count < 65_536)
        } catch {
            // Else its end is on its way as an event.
            if error.code == .overLimit { isBlocked = true }
        }
    }

    func ask(_ session: Session) {
        outbox.ask()
        askedTurns = 0
        switch session.acks {
        case .management: unsent += Element("r", ClientNegotiation.management).bytes
        case .ping(let to):
            ackCount += 1
            let ping = Element("ping", "urn:xmpp:ping")
            let iq = Element(
                "iq",
                "",
                ["type": "get", "id": ackID, "from": session.address.description, "to": to],
                [.element(ping)]
            )
            unsent += iq.bytes
        }
    }

    func turnPassed() {
        switch state {
        case .negotiating:
            askedTurns += 1
            if askedTurns > Self.turnsUntilDead {
                fail(ConnectionFailure(.temporary, "the server says nothing during the login"))
            }
        case .online(let session):
            reconnect.succeeded()
            quietTurns += 1
            if outbox.asked != nil {
                askedTurns += 1
                if askedTurns > Self.turnsUntilDead {
                    fail(ConnectionFailure(.temporary, "the server answers no ping"))
                }
            } else if quietTurns >= Self.turnsUntilPing || outbox.count > 0 {
                ask(session)
                flush()
            }
        case .off, .waiting, .connecting, .stopped: break
        }
    }
}
