// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// What an item of `xmppout` asks to be sent.
///
/// Three forms: a contact's address with the prepared rest of the stanza as the shared part (ours), a whole stanza
/// (begins with `<`, as StatusNet's producers send it), and a stanza that came back after it was taken (an object).
struct Outgoing {
    /// A stanza comes back as often as this before it is given up.
    static let maxBounces = 5
    /// A dead letter of a stanza that came back is sent again if an operator requeues it after this.
    static let bounceIsFresh: Int64 = 60_000
    /// More than this isn't sent: servers end the stream of who sends more.
    static let maxBytes = 65_536

    private enum Form {
        case prepared(to: JID, rest: [UInt8])
        case whole(Element)
    }

    private let form: Form
    let bounces: Int
    /// Why the item ends before anything is sent.
    let verdict: Outcome?

    @HostActor init(_ item: Item) throws(FrameError) {
        let payload = item.frame
        switch payload.first {
        case UInt8(ascii: "<"):
            form = .whole(try Self.stanza(payload))
            bounces = 0
            verdict = nil
        case UInt8(ascii: "{"):
            let frame: JSON
            do { frame = try JSON(parsing: payload) } catch { throw FrameError(error.description) }
            guard let text = frame["stanza"]?.string, let condition = frame["condition"]?.string,
                let advice = frame["advice"]?.string.flatMap({ StanzaError.Advice(rawValue: $0) }),
                let at = frame["at"]?.int
            else { throw FrameError("the item isn't one that came back from a contact") }
            form = .whole(try Self.stanza(Array(text.utf8)))
            bounces = frame["bounces"]?.int ?? 1
            let error = StanzaError(advice: advice, condition: condition, text: frame["text"]?.string ?? "")
            let isFresh = item.site.host.now.milliseconds - Int64(at) < Self.bounceIsFresh
            let isFinal = (advice == .cancel || advice == .modify) && isFresh
            if isFinal {
                verdict = error.outcome
            } else if bounces > Self.maxBounces {
                verdict = .discard(.rejected, "it came back \(bounces) times: \(error.sentence)")
            } else {
                verdict = nil
            }
        default:
            guard let to = JID(String(decoding: payload, as: UTF8.self)) else {
                throw FrameError("\"\(String(decoding: payload.prefix(100), as: UTF8.self))\" isn't an address")
            }
            let rest = item.shared
            guard rest.starts(with: StanzaText.type.utf8) else {
                throw FrameError("the item's shared part isn't one that the queues jabber, public and xmppconfirm make")
            }
            guard rest.count <= Self.maxBytes else {
                throw FrameError("the stanza is longer than \(Self.maxBytes) bytes")
            }
            form = .prepared(to: to, rest: rest)
            bounces = 0
            verdict = nil
        }
    }

    var to: String {
        switch form {
        case .prepared(let to, _): to.bare
        case .whole(let stanza): stanza["to"].flatMap { JID($0) }?.bare ?? ""
        }
    }

    /// The stanza as it goes out.
    func bytes(from session: Session, id: String, isComponent: Bool) -> [UInt8] {
        switch form {
        case .prepared(let to, let rest):
            var bytes = Array("<message from=\"".utf8)
            bytes.reserveCapacity(rest.count + 256)
            XMLText.append(session.address.description, to: &bytes)
            bytes.append(contentsOf: "\" to=\"".utf8)
            XMLText.append(to.description, to: &bytes)
            bytes.append(contentsOf: "\" id=\"\(id)\"".utf8)
            bytes.append(contentsOf: rest)
            return bytes
        case .whole(var stanza):
            // A server ends the stream of who sends under another's name.
            let from = stanza["from"].flatMap { JID($0) }
            if !isComponent || from?.domain != session.address.domain {
                stanza["from"] = session.address.description
            }
            // By it an error finds back to its item.
            if stanza.name == "message" || stanza["id"] == nil { stanza["id"] = id }
            return stanza.bytes
        }
    }

    private static func stanza(_ bytes: [UInt8]) throws(FrameError) -> Element {
        guard bytes.count <= maxBytes else { throw FrameError("the stanza is longer than \(maxBytes) bytes") }
        let stanza: Element
        do { stanza = try StreamParser.stanza(XMLText.cleaned(bytes)) } catch {
            throw FrameError("the stanza: \(error.description)")
        }
        guard stanza.namespace.isEmpty, ["message", "presence", "iq"].contains(stanza.name) else {
            throw FrameError("expected a message, presence or iq, found <\(stanza.name)/>")
        }
        if stanza.name != "presence", stanza["to"].flatMap({ JID($0) }) == nil {
            throw FrameError("the stanza's \"to\" is missing, or isn't an address")
        }
        return stanza
    }
}
