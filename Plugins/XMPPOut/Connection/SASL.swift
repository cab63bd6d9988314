// SPDX-License-Identifier: Apache-2.0

/// The login of RFC 6120 section 6, with the strongest mechanism that both sides have.
///
/// Pure.
struct SASL {
    static let namespace = "urn:ietf:params:xml:ns:xmpp-sasl"

    private let user: String
    private let password: String
    private let nonce: String
    private var scram: SCRAM?
    private var isVerified = false

    init(user: String, password: String, nonce: String) {
        self.user = user
        self.password = password
        self.nonce = nonce
    }

    /// The element that begins it.
    ///
    /// `isSecured`: A password in clear goes through TLS only.
    mutating func begin(mechanisms: [String], isSecured: Bool) throws(ConnectionFailure) -> Element {
        for hash in SCRAM.Hash.allCases where mechanisms.contains(hash.rawValue) {
            let scram = SCRAM(hash, user: user, password: password, nonce: nonce)
            self.scram = scram
            return Self.element("auth", ["mechanism": hash.rawValue], Base64.encode(scram.first.utf8))
        }
        guard mechanisms.contains("PLAIN") else {
            let offered = mechanisms.isEmpty ? "none" : mechanisms.joined(separator: ", ")
            throw ConnectionFailure(.refused, "no common way to log in: the server offers \(offered)")
        }
        guard isSecured else {
            throw ConnectionFailure(.refused, "the server takes passwords in clear only, and there is no TLS")
        }
        isVerified = true
        return Self.element("auth", ["mechanism": "PLAIN"], Base64.encode("\0\(user)\0\(password)".utf8))
    }

    /// A challenge's answer; nil: logged in.
    mutating func received(_ element: Element) throws(ConnectionFailure) -> Element? {
        switch element.name {
        case "challenge":
            guard var scram, let text = Self.text(element) else { throw Self.unexpected(element) }
            // The second challenge has the server's proof, where it doesn't come with the success.
            if text.hasPrefix("v=") {
                try scram.verify(text)
                isVerified = true
                return Element("response", Self.namespace)
            }
            let answer = try scram.answer(text)
            self.scram = scram
            return Self.element("response", [:], Base64.encode(answer.utf8))
        case "success":
            if !isVerified { try scram?.verify(Self.text(element) ?? "") }
            return nil
        case "failure":
            let condition = element.elements.first { $0.name != "text" }?.name ?? "no reason given"
            let text = element.elements.first { $0.name == "text" }.map { ": \($0.text)" } ?? ""
            let kind: ConnectionFailure.Kind = condition == "temporary-auth-failure" ? .temporary : .refused
            throw ConnectionFailure(kind, "the server refused the login with \(condition)\(text)")
        default: throw Self.unexpected(element)
        }
    }

    private static func unexpected(_ element: Element) -> ConnectionFailure {
        ConnectionFailure(.refused, "unexpected <\(element.name)/> during the login")
    }

    private static func text(_ element: Element) -> String? {
        Base64.decode(element.text.filter { !$0.isWhitespace }).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func element(_ name: String, _ attributes: KeyValuePairs<String, String?>, _ text: String) -> Element
    {
        Element(name, namespace, attributes, [.text(text)])
    }
}
