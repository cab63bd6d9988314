// SPDX-License-Identifier: Apache-2.0

/// RFC 6120 from the client's side: STARTTLS, login, then either the resumption of the last stream (XEP-0198) or a bound
/// resource and a new one.
struct ClientNegotiation: Negotiation {
    static let management = "urn:xmpp:sm:3"
    private static let tls = "urn:ietf:params:xml:ns:xmpp-tls"
    private static let bind = "urn:ietf:params:xml:ns:xmpp-bind"
    private static let session = "urn:ietf:params:xml:ns:xmpp-session"

    /// What may be picked up where it broke off.
    struct Resumption: Hashable {
        let id: String
        /// The stanzas that we have handled.
        let handled: UInt32
        let address: JID
    }

    private enum State {
        /// Features are expected: before TLS, before the login, after it.
        case features
        case startingTLS
        case loggingIn
        case resuming(isManaged: Bool, needsSession: Bool)
        case binding(isManaged: Bool, needsSession: Bool)
        case startingSession(JID, isManaged: Bool)
        case enabling(JID)
        case up
    }

    private let address: JID
    private let requiresTLS: Bool
    private let usesTLS: Bool
    private let resumption: Resumption?
    private var isSecured: Bool
    private var sasl: SASL
    private var isLoggedIn = false
    private var state = State.features

    /// `isSecured`: TLS is there from the first byte.
    init(
        address: JID,
        password: String,
        nonce: String,
        requiresTLS: Bool,
        usesTLS: Bool,
        isSecured: Bool,
        resumption: Resumption?
    ) {
        self.address = address
        self.requiresTLS = requiresTLS
        self.usesTLS = usesTLS
        self.isSecured = isSecured
        self.resumption = resumption
        sasl = SASL(user: address.local ?? "", password: password, nonce: nonce)
    }

    var header: [UInt8] {
        let to = XMLText.escaped(address.domain)
        return Array(
            """
            <?xml version='1.0'?><stream:stream to='\(to)' xmlns:stream='\(StreamError.streams)' \
            xmlns='jabber:client' version='1.0'>
            """.utf8
        )
    }

    mutating func opened(_ stream: Element) throws(ConnectionFailure) -> [NegotiationStep] { [] }

    mutating func secured() -> [NegotiationStep] {
        isSecured = true
        state = .features
        return [.restart]
    }

    mutating func received(_ element: Element) throws(ConnectionFailure) -> [NegotiationStep] {
        switch state {
        case .features: return try features(element)
        case .startingTLS:
            guard element.name == "proceed", element.namespace == Self.tls else {
                throw ConnectionFailure(.refused, "the server offers STARTTLS and then refuses it")
            }
            return [.startTLS]
        case .loggingIn:
            if let answer = try sasl.received(element) { return [.send(answer.bytes)] }
            isLoggedIn = true
            state = .features
            return [.restart]
        case .resuming(let isManaged, let needsSession):
            if element.name == "resumed", element.namespace == Self.management,
                let h = element["h"].flatMap({ UInt32($0) })
            {
                state = .up
                return [.resumed(h)]
            }
            guard element.name == "failed" else { throw unexpected(element) }
            return bindResource(isManaged: isManaged, needsSession: needsSession)
        case .binding(let isManaged, let needsSession):
            return try bound(element, isManaged: isManaged, needsSession: needsSession)
        case .startingSession(let address, let isManaged):
            guard element.name == "iq", element["type"] == "result" else { throw unexpected(element) }
            return enable(address, isManaged: isManaged)
        case .enabling(let address):
            // Stanzas may come before the answer; they are none of ours.
            guard element.namespace == Self.management else { return [] }
            state = .up
            guard element.name == "enabled" else { return [.ready(pinging(address))] }
            let mayResume = ["true", "1"].contains(element["resume"] ?? "")
            let id = mayResume ? element["id"] : nil
            return [.ready(Session(address: address, acks: .management(id: id)))]
        case .up: throw unexpected(element)
        }
    }

    private mutating func features(_ element: Element) throws(ConnectionFailure) -> [NegotiationStep] {
        guard element.name == "features", element.namespace == StreamError.streams else { throw unexpected(element) }
        let offersTLS = element.child("starttls", Self.tls) != nil
        if !isSecured, usesTLS, offersTLS {
            state = .startingTLS
            return [.send(Element("starttls", Self.tls).bytes)]
        }
        guard isSecured || !requiresTLS else {
            throw ConnectionFailure(.refused, "the server doesn't offer STARTTLS, and tls requires it")
        }
        guard isLoggedIn else {
            let mechanisms = element.child("mechanisms", SASL.namespace)?.elements.map(\.text) ?? []
            state = .loggingIn
            return [.send(try sasl.begin(mechanisms: mechanisms, isSecured: isSecured).bytes)]
        }
        let isManaged = element.child("sm", Self.management) != nil
        let session = element.child("session", Self.session)
        let needsSession = session.map { !$0.elements.contains { $0.name == "optional" } } ?? false
        guard let resumption, isManaged else { return bindResource(isManaged: isManaged, needsSession: needsSession) }
        state = .resuming(isManaged: isManaged, needsSession: needsSession)
        let resume = Element(
            "resume",
            Self.management,
            ["h": String(resumption.handled), "previd": resumption.id]
        )
        return [.send(resume.bytes)]
    }

    private mutating func bindResource(isManaged: Bool, needsSession: Bool) -> [NegotiationStep] {
        state = .binding(isManaged: isManaged, needsSession: needsSession)
        var children: [Element.Node] = []
        if let resource = address.resource {
            children = [.element(Element("resource", Self.bind, [:], [.text(resource)]))]
        }
        let bind = Element("bind", Self.bind, [:], children)
        return [.send(Element("iq", "", ["type": "set", "id": "bind"], [.element(bind)]).bytes)]
    }

    private mutating func bound(
        _ element: Element,
        isManaged: Bool,
        needsSession: Bool
    ) throws(ConnectionFailure) -> [NegotiationStep] {
        guard element.name == "iq", element["id"] == "bind" else { throw unexpected(element) }
        if let error = StanzaError(element) {
            throw ConnectionFailure(
                error.condition == "conflict" ? .conflict : .refused,
                "the resource can't be bound: \(error.condition)"
            )
        }
        guard let text = element.child("bind", Self.bind)?.child("jid", Self.bind)?.text, let address = JID(text) else {
            throw ConnectionFailure(.refused, "the server bound no resource")
        }
        guard needsSession else { return enable(address, isManaged: isManaged) }
        state = .startingSession(address, isManaged: isManaged)
        let session = Element("session", Self.session)
        return [.send(Element("iq", "", ["type": "set", "id": "session"], [.element(session)]).bytes)]
    }

    private mutating func enable(_ address: JID, isManaged: Bool) -> [NegotiationStep] {
        guard isManaged else {
            state = .up
            return [.ready(pinging(address))]
        }
        state = .enabling(address)
        return [.send(Element("enable", Self.management, ["resume": "true"]).bytes)]
    }

    private func pinging(_ address: JID) -> Session { Session(address: address, acks: .ping(to: address.domain)) }

    private func unexpected(_ element: Element) -> ConnectionFailure {
        if let failure = StreamError.failure(element) { return failure }
        return ConnectionFailure(.temporary, "unexpected <\(element.name)/> before the stream was up")
    }
}
