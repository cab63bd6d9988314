// SPDX-License-Identifier: Apache-2.0

/// What is answered to stanzas that aren't messages: everybody may subscribe, and pings are answered.
///
/// Pure.
struct PresenceReply {
    let session: Session
    let isComponent: Bool
    let status: String

    /// Our own presence; to everybody who has us in their roster, or to one contact.
    func presence(to contact: String? = nil) -> Element {
        var children: [Element.Node] = []
        if !status.isEmpty { children.append(.element(Element("status", "", [:], [.text(status)]))) }
        if !isComponent { children.append(.element(Element("priority", "", [:], [.text("100")]))) }
        let from = isComponent ? session.address.description : nil
        return Element("presence", "", ["from": from, "to": contact], children)
    }

    func answers(to presence: Element) -> [Element] {
        guard let from = presence["from"].flatMap({ JID($0) })?.bare, from != session.address.bare else { return [] }
        switch presence["type"] {
        case "subscribe":
            // As StatusNet: agree, and ask back.
            return [reply("subscribed", from), reply("subscribe", from), self.presence(to: from)]
        case "probe": return [self.presence(to: from)]
        // They agreed: a component has no server that sends them its presence.
        case "subscribed": return isComponent ? [self.presence(to: from)] : []
        case "unsubscribe": return [reply("unsubscribed", from)]
        default: return []
        }
    }

    /// The contact that may be sent to from now on; nil for other presences.
    func agreement(_ presence: Element) -> String? {
        guard ["subscribe", "subscribed"].contains(presence["type"] ?? "") else { return nil }
        return presence["from"].flatMap { JID($0) }?.bare
    }

    func answer(to iq: Element) -> Element? {
        guard ["get", "set"].contains(iq["type"] ?? "get"), let from = iq["from"] ?? (isComponent ? nil : "") else {
            return nil
        }
        let isPing = iq["type"] == "get" && iq.child("ping", "urn:xmpp:ping") != nil
        var answer = Element("iq", "", ["type": isPing ? "result" : "error", "id": iq["id"]])
        if !from.isEmpty { answer["to"] = from }
        if isComponent { answer["from"] = iq["to"] ?? session.address.description }
        if !isPing {
            let condition = Element("service-unavailable", "urn:ietf:params:xml:ns:xmpp-stanzas")
            answer.children = [.element(Element("error", "", ["type": "cancel"], [.element(condition)]))]
        }
        return answer
    }

    private func reply(_ type: String, _ contact: String) -> Element {
        Element("presence", "", ["from": isComponent ? session.address.bare : nil, "to": contact, "type": type])
    }
}
