// SPDX-License-Identifier: Apache-2.0

import Crypto

/// XEP-0114: stream, handshake, up.
struct ComponentNegotiation: Negotiation {
    private enum State {
        case opening
        case shaking
        case up
    }

    private let address: JID
    private let secret: String
    private var state = State.opening

    init(address: JID, secret: String) {
        self.address = address
        self.secret = secret
    }

    var header: [UInt8] {
        let to = XMLText.escaped(address.domain)
        return Array(
            """
            <?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
            xmlns:stream='\(StreamError.streams)' to='\(to)'>
            """.utf8
        )
    }

    mutating func opened(_ stream: Element) throws(ConnectionFailure) -> [NegotiationStep] {
        guard let id = stream["id"] else {
            throw ConnectionFailure(.refused, "the server's stream has no id: is this a component's port?")
        }
        state = .shaking
        return [.send(Array("<handshake>\(Self.proof(id: id, secret: secret))</handshake>".utf8))]
    }

    mutating func received(_ element: Element) throws(ConnectionFailure) -> [NegotiationStep] {
        guard case .shaking = state, element.name == "handshake" else {
            throw ConnectionFailure(.refused, "expected <handshake/>, found <\(element.name)/>")
        }
        state = .up
        // What a component sends to its own domain comes back to it, and proves that all before it was taken. No other
        // address is known to be there, and to answer.
        return [.ready(Session(address: address, acks: .ping(to: address.domain)))]
    }

    mutating func secured() -> [NegotiationStep] { [] }

    /// Lower-case hexadecimal SHA-1 of the stream's id and the secret.
    static func proof(id: String, secret: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let hash = Insecure.SHA1.hash(data: Array((id + secret).utf8))
        return String(decoding: hash.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
