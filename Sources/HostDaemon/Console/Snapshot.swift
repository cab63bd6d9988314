// SPDX-License-Identifier: Apache-2.0
import Control

/// What the supervisor said at one moment: all that the page and status.json show.
struct Snapshot {
    /// As `queuectl status --json`.
    var status: JSONValue
    /// As `queuectl plugins --json`.
    var plugins: [JSONValue]
    /// As `queuectl sites --json`.
    var sites: [JSONValue]

    init(status: JSONValue, plugins: JSONValue, sites: JSONValue) {
        self.status = Self.withoutSecrets(status)
        self.plugins = Self.withoutSecrets(plugins).array ?? []
        self.sites = Self.withoutSecrets(sites).array ?? []
    }

    /// The members of `queuectl status --json`, and `plugins` and `sites` besides.
    var document: JSONValue {
        var members = status.object ?? [:]
        members["plugins"] = .array(plugins)
        members["sites"] = .array(sites)
        return .object(members)
    }

    private static let secretMembers: Set<String> = [
        "credentials", "password", "secret", "token", "values", "consumer_secret", "api_key",
    ]

    /// The supervisor puts no secret in; what might slip in one day is taken out here: members that are named for one,
    /// and the login in a URL (`http://user:password@host/`), which a target may have.
    static func withoutSecrets(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            .object(members.filter { !secretMembers.contains($0.key) }.mapValues(withoutSecrets))
        case .array(let elements): .array(elements.map(withoutSecrets))
        case .string(let text): .string(withoutLogins(text))
        default: value
        }
    }

    private static func withoutLogins(_ text: String) -> String {
        guard text.contains("://"), text.contains("@") else { return text }
        var clean = ""
        var rest = text[...]
        while let scheme = rest.firstRange(of: "://") {
            clean += rest[..<scheme.upperBound]
            rest = rest[scheme.upperBound...]
            let authority = rest.prefix { !"/?#\"' \t\n".contains($0) }
            if let at = authority.lastIndex(of: "@") {
                clean += "***@"
                rest = rest[rest.index(after: at)...]
            }
        }
        return clean + rest
    }
}
