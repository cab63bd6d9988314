// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// A stanza that came back: RFC 6120 section 8.3.
struct StanzaError: Hashable, Sendable {
    /// What the sender may do, by the error's type.
    enum Advice: String, Sendable {
        /// Never again.
        case cancel
        /// With a change of the stanza: ours stays as it is.
        case modify
        /// Once the contact has agreed.
        case auth
        /// Later.
        case wait
    }

    private static let conditions = "urn:ietf:params:xml:ns:xmpp-stanzas"
    /// How long a contact that wants to be asked first is left alone; its subscription ends it at once.
    static let authorizationRest = Duration.seconds(3600)
    static let waitRest = Duration.seconds(60)

    let advice: Advice
    let condition: String
    let text: String

    init(advice: Advice, condition: String, text: String = "") {
        self.advice = advice
        self.condition = condition
        self.text = text
    }

    /// nil where the stanza isn't an error.
    init?(_ stanza: Element) {
        guard stanza["type"] == "error" else { return nil }
        let error = stanza.child("error")
        let children = error?.elements.filter { $0.namespace == Self.conditions } ?? []
        condition = children.first { $0.name != "text" }?.name ?? "undefined-condition"
        text = children.first { $0.name == "text" }?.text ?? ""
        advice = error?["type"].flatMap { Advice(rawValue: $0) } ?? .cancel
    }

    var sentence: String {
        "the contact's server answered \(condition) (\(advice.rawValue))\(text.isEmpty ? "" : ": \(text)")"
    }

    /// What becomes of the item that the stanza was.
    var outcome: Outcome {
        switch advice {
        case .cancel:
            switch condition {
            case "item-not-found", "gone", "remote-server-not-found", "service-unavailable":
                .discard(.gone, sentence)
            default: .discard(.rejected, sentence)
            }
        case .modify: .discard(.rejected, sentence)
        case .auth:
            Outcome.defer(for: Self.authorizationRest, reason: .auth, sentence)
                .holding(for: Self.authorizationRest)
        case .wait: .retry(after: Self.waitRest, reason: .remote, sentence)
        }
    }
}
