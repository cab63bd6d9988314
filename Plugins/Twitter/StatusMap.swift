// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// Which notice is which status, of which account; and which posts are under way.
///
/// One durable value per notice, changed by compare-and-set. The mark of a post under way is on disk before the request
/// goes out: after a lost answer or a crash the next attempt knows that, and since when, the status may be there.
@HostActor
struct StatusMap {
    /// One account's copy of a notice.
    struct Entry: Hashable {
        let account: String
        let author: String
        /// When the first request went out that may have been carried out: Unix seconds.
        var since: Int64
        var isPosted = false
        /// nil = not known: posted, but the answer was lost.
        var id: String?
        /// `id` is the status that was repeated.
        var isRepeat = false
    }

    enum Beginning: Equatable {
        case first
        /// An earlier request may have been carried out, at this time.
        case again(since: Int64)
        case posted
    }

    /// Statuses older than this can't be answered, repeated or deleted by their notice any more.
    nonisolated static let lifetime = Duration.seconds(365 * 86_400)
    /// How long an import has to know its own statuses.
    nonisolated static let ownLifetime = Duration.seconds(14 * 86_400)
    private nonisolated static let maxTries = 10

    let values: KeyValue

    /// Marks a post as under way.
    func begin(_ notice: String, _ account: String, author: String, now: UnixTime) async throws -> Beginning {
        var beginning = Beginning.first
        try await change(notice) { entries in
            if let entry = entries.first(where: { $0.account == account }) {
                beginning = entry.isPosted ? .posted : .again(since: entry.since)
                return false
            }
            beginning = .first
            entries.append(Entry(account: account, author: author, since: now.seconds))
            return true
        }
        return beginning
    }

    /// The request was surely not carried out, or the status is gone.
    func withdraw(_ notice: String, _ account: String) async throws {
        try await change(notice) { entries in
            let count = entries.count
            entries.removeAll { $0.account == account }
            return entries.count < count
        }
    }

    /// It is posted; `id` nil = as what isn't known.
    func finish(_ notice: String, _ account: String, id: String?, isRepeat: Bool) async throws {
        // Before the notice's value, so that no import sees a status of ours that it doesn't know.
        if let id, !isRepeat { try await values.put(Self.ownKey(id), Array("1".utf8), expires: Self.ownLifetime) }
        try await change(notice) { entries in
            guard let index = entries.firstIndex(where: { $0.account == account }) else { return false }
            entries[index].isPosted = true
            entries[index].id = id
            entries[index].isRepeat = isRepeat
            return true
        }
    }

    /// The copies of a notice.
    func entries(of notice: String) async throws -> [Entry] {
        Self.read(try await values.get(Self.key(notice))?.bytes)
    }

    /// The status that a notice is, or came from: known by the map, or by its URI where it was imported.
    ///
    /// The account's own copy goes before others'.
    func status(of notice: String, for account: String) async throws -> String? {
        if let id = Self.importedID(notice) { return id }
        let known = try await entries(of: notice).filter { $0.id != nil && !$0.isRepeat }
        return (known.first { $0.account == account } ?? known.first)?.id
    }

    /// Whether this site made the status.
    func isOwn(_ id: String) async throws -> Bool { try await values.get(Self.ownKey(id)) != nil }

    /// `https://twitter.com/NAME/status/ID`: what the original's and most importers' notices are called.
    nonisolated static func importedID(_ uri: String) -> String? {
        guard let scheme = ["https://", "http://"].first(where: { uri.hasPrefix($0) }) else { return nil }
        let parts = uri.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, ["twitter.com", "www.twitter.com", "mobile.twitter.com", "x.com"].contains(parts[0]),
            parts[2] == "status" || parts[2] == "statuses", !parts[3].isEmpty,
            parts[3].allSatisfy({ $0.isASCII && $0.isNumber })
        else { return nil }
        return String(parts[3])
    }

    /// Reads, changes and writes, again where somebody else was faster; `body` says whether there is a change.
    private func change(_ notice: String, _ body: (inout [Entry]) -> Bool) async throws {
        let key = Self.key(notice)
        for _ in 1..<Self.maxTries where try await tryToChange(key, body) {
            return
        }
        _ = try await tryToChange(key, body)
    }

    /// False where somebody else was faster.
    private func tryToChange(_ key: String, _ body: (inout [Entry]) -> Bool) async throws -> Bool {
        let value = try await values.get(key)
        var entries = Self.read(value?.bytes)
        guard body(&entries) else { return true }
        let condition = value.map { KeyValue.Condition.ifVersion($0.version) } ?? .ifAbsent
        return try await values.putIfUnchanged(key, Self.write(entries), condition, expires: Self.lifetime) != nil
    }

    private nonisolated static func key(_ notice: String) -> String {
        // The host takes keys of at most 512 bytes.
        if notice.utf8.count <= 400 { return "notice \(notice)" }
        let start = String(decoding: notice.utf8.prefix(400), as: UTF8.self)
        return "notice \(start) \(notice.utf8.count) \(String(Fingerprint.of(notice), radix: 16))"
    }

    private nonisolated static func ownKey(_ id: String) -> String { "own \(id.prefix(64))" }

    private nonisolated static func read(_ bytes: [UInt8]?) -> [Entry] {
        guard let bytes, let list = (try? JSON(parsing: bytes))?.array else { return [] }
        return list.compactMap { json in
            guard let account = json["account"]?.string else { return nil }
            return Entry(
                account: account,
                author: json["author"]?.string ?? "",
                since: json["since"]?.int.map { Int64($0) } ?? 0,
                isPosted: json["posted"]?.bool ?? false,
                id: json["id"]?.string,
                isRepeat: json["repeat"]?.bool ?? false
            )
        }
    }

    /// No entries: no bytes, which removes the value.
    private nonisolated static func write(_ entries: [Entry]) -> [UInt8] {
        guard !entries.isEmpty else { return [] }
        let list = entries.map { entry -> JSON in
            [
                "account": .string(entry.account), "author": .string(entry.author),
                "since": .number("\(entry.since)"), "posted": .bool(entry.isPosted),
                "id": entry.id.map { .string($0) } ?? .null, "repeat": .bool(entry.isRepeat),
            ]
        }
        return JSON.array(list).bytes
    }
}

extension KeyValue {
    /// Writes a value; nil where `condition` doesn't hold.
    func putIfUnchanged(
        _ key: String,
        _ value: [UInt8],
        _ condition: Condition,
        expires: Duration? = nil
    ) async throws(HostError) -> UInt64? {
        do {
            return try await put(key, value, condition, expires: expires)
        } catch {
            guard error.code == .stale else { throw error }
            return nil
        }
    }
}
