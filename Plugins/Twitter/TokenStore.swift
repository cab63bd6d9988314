// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// The OAuth 2 tokens of an account: those of its recipient's row until they are refreshed, then the refreshed ones.
///
/// A refresh token is good for one use. Who wants to spend it first writes a claim by compare-and-set, so that of
/// several workers one does; the others wait for what it stores.
@HostActor
struct TokenStore {
    struct Token: Equatable {
        var access: String
        var refresh: String?
        /// Unix seconds; nil = not known.
        var expires: Int64?
    }

    /// What is stored, and what the next change depends on.
    struct Held {
        let token: Token
        /// Somebody refreshes it until then: Unix seconds.
        let claimedUntil: Int64
        /// nil = nothing is stored.
        let version: UInt64?
    }

    /// How long the one who refreshes has; after that somebody else may try.
    nonisolated static let claim: Int64 = 120

    let values: KeyValue

    /// The newest token of a row.
    ///
    /// What is stored counts only while the row is the one that it came from: a user who connects anew goes first.
    func token(of row: Recipient) async throws -> Held? {
        guard let given = Self.given(row) else { return nil }
        let value = try await values.get(Self.key(row))
        guard let value, let json = try? JSON(parsing: value.bytes), json["origin"]?.string == Self.origin(given),
            let access = json["access_token"]?.string
        else { return Held(token: given, claimedUntil: 0, version: value?.version) }
        return Held(
            token: Token(
                access: access,
                refresh: json["refresh_token"]?.string,
                expires: json["expires_at"]?.int.map { Int64($0) }
            ),
            claimedUntil: json["claimed_until"]?.int.map { Int64($0) } ?? 0,
            version: value.version
        )
    }

    /// Takes the right to spend the refresh token; the value's version, or nil where somebody else has it.
    func claim(_ held: Held, of row: Recipient, now: UnixTime) async throws -> UInt64? {
        guard held.claimedUntil <= now.seconds else { return nil }
        return try await put(held.token, claimedUntil: now.seconds + Self.claim, of: row, version: held.version)
    }

    /// Stores what the claim has brought, or gives the claim back: nil where it was lost meanwhile.
    @discardableResult
    func store(_ token: Token, of row: Recipient, version: UInt64) async throws -> UInt64? {
        try await put(token, claimedUntil: 0, of: row, version: version)
    }

    private func put(_ token: Token, claimedUntil: Int64, of row: Recipient, version: UInt64?) async throws -> UInt64? {
        guard let given = Self.given(row) else { return nil }
        let json: JSON = [
            "origin": .string(Self.origin(given)), "access_token": .string(token.access),
            "refresh_token": token.refresh.map { .string($0) } ?? .null,
            "expires_at": token.expires.map { .number("\($0)") } ?? .null, "claimed_until": .number("\(claimedUntil)"),
        ]
        return try await values.putIfUnchanged(
            Self.key(row),
            json.bytes,
            version.map { .ifVersion($0) } ?? .ifAbsent
        )
    }

    /// What the row itself says; nil = no OAuth 2 credentials.
    static func given(_ row: Recipient) -> Token? {
        let credentials = row.credentials
        guard let access = credentials["access_token"]?.string else { return nil }
        return Token(
            access: access,
            refresh: credentials["refresh_token"]?.string,
            expires: credentials["expires_at"]?.int.map { Int64($0) }
        )
    }

    private static func origin(_ token: Token) -> String {
        String(Fingerprint.of("\(token.access) \(token.refresh ?? "")"), radix: 16)
    }

    /// One account may stand in several rows, each with tokens of its own.
    private static func key(_ row: Recipient) -> String {
        "token \(row.target.prefix(64)) \(String(Fingerprint.of("\(row.author)\n\(row.target)\n\(row.key)"), radix: 16))"
    }
}
