// SPDX-License-Identifier: Apache-2.0

import Crypto

/// RFC 5802 and RFC 7677 from the client's side, without channel binding.
///
/// Pure: the nonce is given. It also proves that the server knows the password.
struct SCRAM {
    enum Hash: String, CaseIterable {
        /// The stronger one first.
        case sha256 = "SCRAM-SHA-256"
        case sha1 = "SCRAM-SHA-1"
    }

    /// Deriving the key of a password takes this many rounds at most: some 0.1 s on the host's thread.
    private static let maxRounds = 100_000
    private static let header = "n,,"

    private let hash: Hash
    private let user: String
    private let password: String
    private let nonce: String
    private var serverSignature: [UInt8] = []

    init(_ hash: Hash, user: String, password: String, nonce: String) {
        self.hash = hash
        self.user = user
        self.password = password
        self.nonce = nonce
    }

    private var firstBare: String {
        // `=` and `,` have a meaning of their own here.
        let name = user.replacing("=", with: "=3D").replacing(",", with: "=2C")
        return "n=\(name),r=\(nonce)"
    }

    var first: String { Self.header + firstBare }

    /// The client's final message.
    mutating func answer(_ challenge: String) throws(ConnectionFailure) -> String {
        let parts = Self.parts(challenge)
        guard let serverNonce = parts["r"], serverNonce.hasPrefix(nonce), serverNonce.utf8.count > nonce.utf8.count,
            let salt = parts["s"].flatMap({ Base64.decode($0) }), !salt.isEmpty,
            let rounds = parts["i"].flatMap({ Int($0) }), rounds > 0, parts["m"] == nil
        else { throw ConnectionFailure(.refused, "the server's \(hash.rawValue) challenge can't be understood") }
        guard rounds <= Self.maxRounds else {
            throw ConnectionFailure(
                .refused,
                "the server wants \(rounds) rounds of \(hash.rawValue), at most \(Self.maxRounds) are done"
            )
        }
        let salted = derive(salt: salt, rounds: rounds)
        let clientKey = code(Array("Client Key".utf8), key: salted)
        let withoutProof = "c=\(Base64.encode(Self.header.utf8)),r=\(serverNonce)"
        let message = Array("\(firstBare),\(challenge),\(withoutProof)".utf8)
        let signature = code(message, key: digest(clientKey))
        serverSignature = code(message, key: code(Array("Server Key".utf8), key: salted))
        return "\(withoutProof),p=\(Base64.encode(zip(clientKey, signature).map { $0 ^ $1 }))"
    }

    /// The server's final message: proves that it knows the password too.
    func verify(_ final: String) throws(ConnectionFailure) {
        if let error = Self.parts(final)["e"] {
            throw ConnectionFailure(.refused, "the server refused the login: \(error)")
        }
        guard !serverSignature.isEmpty, let verifier = Self.parts(final)["v"].flatMap({ Base64.decode($0) }),
            verifier == serverSignature
        else {
            throw ConnectionFailure(.refused, "the server doesn't prove that it knows the password")
        }
    }

    private static func parts(_ message: String) -> [String: String] {
        var parts: [String: String] = [:]
        for part in message.split(separator: ",") where part.dropFirst().first == "=" {
            parts[String(part.prefix(1))] = String(part.dropFirst(2))
        }
        return parts
    }

    /// PBKDF2 with one block (RFC 5802 calls it Hi).
    private func derive(salt: [UInt8], rounds: Int) -> [UInt8] {
        let key = SymmetricKey(data: Array(password.utf8))
        switch hash {
        case .sha256: return Self.derive(HMAC<SHA256>.self, key, salt, rounds)
        case .sha1: return Self.derive(HMAC<Insecure.SHA1>.self, key, salt, rounds)
        }
    }

    private static func derive<H: HashFunction>(
        _: HMAC<H>.Type,
        _ key: SymmetricKey,
        _ salt: [UInt8],
        _ rounds: Int
    ) -> [UInt8] {
        var block = Array(HMAC<H>.authenticationCode(for: salt + [0, 0, 0, 1], using: key))
        var sum = block
        for _ in 1..<max(rounds, 1) {
            block = Array(HMAC<H>.authenticationCode(for: block, using: key))
            for index in sum.indices { sum[index] ^= block[index] }
        }
        return sum
    }

    private func code(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        let key = SymmetricKey(data: key)
        return switch hash {
        case .sha256: Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
        case .sha1: Array(HMAC<Insecure.SHA1>.authenticationCode(for: message, using: key))
        }
    }

    private func digest(_ bytes: [UInt8]) -> [UInt8] {
        switch hash {
        case .sha256: Array(SHA256.hash(data: bytes))
        case .sha1: Array(Insecure.SHA1.hash(data: bytes))
        }
    }
}
