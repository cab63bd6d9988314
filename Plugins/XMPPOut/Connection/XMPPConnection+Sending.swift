// SPDX-License-Identifier: Apache-2.0

import PluginKit

// What goes out: stanzas in order, who waits for each, and how it is known that the server has them.
extension XMPPConnection {
    /// Sends a stanza and waits until the server has it.
    ///
    /// Where the task is cancelled, it waits for a moment only.
    func deliver(_ bytes: [UInt8], id: StanzaID) async -> Fate {
        guard session != nil else { return .offline(problem) }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiters[id] = continuation
                send(bytes, id: id)
            }
        } onCancel: {
            Task { @HostActor in self.giveUpSoon(id) }
        }
    }

    /// Sends a stanza that nobody waits for.
    func send(_ bytes: [UInt8], id: StanzaID? = nil) {
        guard let session else { return }
        // Only a stream that may be resumed has to send them again.
        let isResumable = if case .management(_?) = session.acks { true } else { false }
        outbox.append(isResumable ? bytes : [], id: id)
        unsent += bytes
        guard !willFlush else { return }
        willFlush = true
        // Once for all the items that the host hands over in one go.
        Task { @HostActor in
            self.willFlush = false
            self.flush()
        }
    }

    /// A stanza came back.
    ///
    /// False: nobody waits for it any more.
    func bounce(_ id: StanzaID, _ error: StanzaError) -> Bool {
        guard waiters[id] != nil else { return false }
        outbox.forget(id)
        resolve(id, .bounced(error))
        return true
    }

    func giveUpSoon(_ id: StanzaID) {
        guard waiters[id] != nil else { return }
        let timer = try? site.timers.after(Self.farewell) { [weak self] in self?.giveUp(id) }
        if timer == nil { giveUp(id) }
    }

    func giveUp(_ id: StanzaID) {
        outbox.forget(id)
        resolve(id, .lost)
    }

    func resolve(_ id: StanzaID, _ fate: Fate) { waiters.removeValue(forKey: id)?.resume(returning: fate) }

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
