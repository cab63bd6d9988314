// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// A status of a home timeline, as either API has it.
struct ImportedStatus {
    let id: String
    let text: String
    let created: String?
    let user: JSON
    let userID: String?
    let isProtected: Bool
    /// The application's name, in v1.1 as a link.
    let source: String?
    let raw: JSON

    /// A frame of the queue `tweetin`.
    func frame(site: String, account: String) -> JSON {
        [
            "site": .string(site), "account": .string(account), "id": .string(id), "text": .string(text),
            "created": created.map { .string($0) } ?? .null, "user": user, "raw": raw,
        ]
    }
}

/// A page of a home timeline, newest first.
struct TimelinePage {
    let statuses: [ImportedStatus]
    /// What asks for the older ones; nil = these are all.
    let next: String?

    /// nil where the answer isn't a timeline.
    init?(_ json: JSON, api: TwitterAPI) {
        switch api {
        case .v2:
            guard case .object = json else { return nil }
            let users = Self.byID(json["includes"]?["users"])
            let quoted = Self.byID(json["includes"]?["tweets"])
            statuses = (json["data"]?.array ?? []).compactMap { Self.status(v2: $0, users, quoted) }
            next = json["meta"]?["next_token"]?.string
        case .v1:
            guard let list = json.array else { return nil }
            statuses = list.compactMap { Self.status(v1: $0) }
            // A page ends where the next one begins, so one status would come twice.
            next = statuses.last.flatMap { UInt64($0.id) }.flatMap { $0 > 0 ? "\($0 - 1)" : nil }
        }
    }

    private static func byID(_ list: JSON?) -> [String: JSON] {
        let pairs = (list?.array ?? []).compactMap { json in json["id"]?.string.map { ($0, json) } }
        return Dictionary(pairs) { $1 }
    }

    private static func status(v2 raw: JSON, _ users: [String: JSON], _ quoted: [String: JSON]) -> ImportedStatus? {
        guard let id = raw["id"]?.string, let text = raw["text"]?.string else { return nil }
        let author = raw["author_id"]?.string
        let user = author.flatMap { users[$0] } ?? author.map { ["id": .string($0)] } ?? [:]
        // A repeat's own text is cut: the repeated one has the whole.
        let reference = raw["referenced_tweets"]?.array?.first { $0["type"]?.string == "retweeted" }
        let whole = reference?["id"]?.string.flatMap { quoted[$0] }
        let name = whole?["author_id"]?.string.flatMap { users[$0]?["username"]?.string }
        let repeated = whole?["text"]?.string.flatMap { text in name.map { "RT @\($0) \(text)" } }
        return ImportedStatus(
            id: id,
            text: repeated ?? text,
            created: raw["created_at"]?.string,
            user: user,
            userID: author,
            isProtected: user["protected"]?.bool ?? false,
            source: raw["source"]?.string,
            raw: raw
        )
    }

    private static func status(v1 raw: JSON) -> ImportedStatus? {
        guard let id = raw["id_str"]?.string ?? raw["id"]?.int.map({ "\($0)" }) else { return nil }
        guard let text = raw["full_text"]?.string ?? raw["text"]?.string else { return nil }
        let whole = raw["retweeted_status"]
        let name = whole?["user"]?["screen_name"]?.string
        let repeated = (whole?["full_text"] ?? whole?["text"])?.string.flatMap { text in
            name.map { "RT @\($0) \(text)" }
        }
        let user = raw["user"] ?? [:]
        return ImportedStatus(
            id: id,
            text: repeated ?? text,
            created: raw["created_at"]?.string,
            user: user,
            userID: user["id_str"]?.string ?? user["id"]?.int.map { "\($0)" },
            isProtected: user["protected"]?.bool ?? false,
            source: raw["source"]?.string,
            raw: raw
        )
    }
}

/// A page of those whom an account follows.
struct FriendsPage {
    let users: [(id: String, user: JSON)]
    let next: String?

    /// nil where the answer isn't such a page.
    init?(_ json: JSON, api: TwitterAPI) {
        guard case .object = json else { return nil }
        let list = (api == .v2 ? json["data"] : json["users"])?.array ?? []
        users = list.compactMap { user in
            let id = api == .v2 ? user["id"]?.string : user["id_str"]?.string ?? user["id"]?.int.map { "\($0)" }
            return id.map { ($0, user) }
        }
        switch api {
        case .v2: next = json["meta"]?["next_token"]?.string
        case .v1:
            let cursor = json["next_cursor_str"]?.string ?? json["next_cursor"]?.int.map { "\($0)" }
            next = cursor == "0" ? nil : cursor
        }
    }
}
