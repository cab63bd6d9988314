// SPDX-License-Identifier: Apache-2.0

/// What leads from an open TCP connection to a stream that stanzas may be sent on.
///
/// A pure state machine; the connection performs its steps.
protocol Negotiation {
    /// The start tag of a new stream.
    var header: [UInt8] { get }
    /// The server's start tag has come.
    mutating func opened(_ stream: Element) throws(ConnectionFailure) -> [NegotiationStep]
    mutating func received(_ element: Element) throws(ConnectionFailure) -> [NegotiationStep]
    /// The TLS handshake is over.
    mutating func secured() -> [NegotiationStep]
}

enum NegotiationStep: Hashable {
    case send([UInt8])
    case startTLS
    /// A new stream on the same connection: new parser, header again.
    case restart
    /// Up: stanzas may be sent.
    case ready(Session)
    /// Up again as if nothing had happened, up to this count of stanzas that the server has handled.
    case resumed(UInt32)
}

/// A stream that is up.
struct Session: Hashable {
    /// What we are on it.
    let address: JID
    /// How stanzas are acknowledged.
    var acks: Acks

    enum Acks: Hashable {
        /// By a ping behind them, to this address.
        case ping(to: String)
        /// By stream management (XEP-0198); with an id, where the server lets it be resumed.
        case management(id: String?)
    }
}

/// Stream errors (RFC 6120 section 4.9) as failures.
enum StreamError {
    static let streams = "http://etherx.jabber.org/streams"
    private static let conditions = "urn:ietf:params:xml:ns:xmpp-streams"

    /// nil where the element isn't one.
    static func failure(_ element: Element) -> ConnectionFailure? {
        guard element.name == "error", element.namespace == streams else { return nil }
        let children = element.elements
        let named = children.first { $0.namespace == conditions && $0.name != "text" }
        let condition = named?.name ?? "undefined-condition"
        let text = children.first { $0.name == "text" }.map { ": \($0.text)" } ?? ""
        return ConnectionFailure(kind(condition), "the server ended the stream with \(condition)\(text)")
    }

    private static func kind(_ condition: String) -> ConnectionFailure.Kind {
        switch condition {
        case "conflict": .conflict
        case "not-authorized", "host-unknown", "host-gone", "invalid-namespace", "unsupported-version", "invalid-from":
            .refused
        default: .temporary
        }
    }
}
