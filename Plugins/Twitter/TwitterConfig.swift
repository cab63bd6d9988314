// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// A site's settings, checked.
///
/// Immutable: a new configuration makes a new one.
struct TwitterConfig: Sendable {
    /// The snapshot that this was made of.
    let source: SiteConfig
    let api: TwitterAPI
    /// Without a slash at its end.
    let baseURL: String
    let consumerKey: String
    let consumerSecret: String
    let clientID: String
    let clientSecret: String
    let tokenURL: String
    let timeout: Duration
    let maxLength: Int
    let imports: Bool
    let importInterval: Duration
    let friendsInterval: Duration
    /// Statuses of this application aren't imported; empty = there is none.
    let ownApplication: String

    init(_ config: SiteConfig) throws(FrameError) {
        source = config
        let version = config.string("api") ?? "2"
        guard let api = TwitterAPI(rawValue: version) else {
            throw FrameError("api: expected \"2\" or \"1.1\", found \"\(version)\"")
        }
        self.api = api
        baseURL = try Self.url("base_url", config.string("base_url") ?? "https://api.x.com")
        let tokenURL = config.string("token_url") ?? ""
        self.tokenURL = tokenURL.isEmpty ? "\(baseURL)/2/oauth2/token" : try Self.url("token_url", tokenURL)
        consumerKey = config.string("consumer_key") ?? ""
        consumerSecret = config.string("consumer_secret") ?? ""
        guard consumerKey.isEmpty == consumerSecret.isEmpty else {
            throw FrameError("consumer_key and consumer_secret: give both, or none where all accounts use OAuth 2")
        }
        clientID = config.string("client_id") ?? ""
        clientSecret = config.string("client_secret") ?? ""
        timeout = .seconds(try Self.number(config, "timeout", 30, 1...60))
        maxLength = try Self.number(config, "max_length", 280, 60...100_000)
        imports = config.bool("import") ?? false
        importInterval = .seconds(try Self.number(config, "import_interval", 120, 15...86_400))
        friendsInterval = .seconds(try Self.number(config, "friends_interval", 3600, 60...604_800))
        ownApplication = config.string("application") ?? ""
    }

    private static func number(
        _ config: SiteConfig,
        _ key: String,
        _ standard: Int,
        _ range: ClosedRange<Int>
    ) throws(FrameError) -> Int {
        let value = config.int(key) ?? standard
        guard range.contains(value) else {
            throw FrameError("\(key): expected \(range.lowerBound) to \(range.upperBound), found \(value)")
        }
        return value
    }

    private static func url(_ key: String, _ text: String) throws(FrameError) -> String {
        let scheme = ["http://", "https://"].first { text.hasPrefix($0) }
        guard let scheme, text.utf8.count > scheme.utf8.count, !text.contains("?"), !text.contains("#") else {
            throw FrameError("\(key): expected an http or https URL without a query, found \"\(text)\"")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}

extension TwitterConfig {
    static let keys = [
        ConfigKey("api", .string, default: "2", help: "The version of Twitter's API: 2 or 1.1."),
        ConfigKey(
            "base_url",
            .string,
            default: "https://api.x.com",
            help: "Where the API is; another one for a server that speaks it too."
        ),
        ConfigKey("consumer_key", .string, help: "The application's key (OAuth 1.0a)."),
        ConfigKey("consumer_secret", .string, isSecret: true, help: "The application's secret (OAuth 1.0a)."),
        ConfigKey("client_id", .string, help: "The application's client id (OAuth 2), to refresh tokens with."),
        ConfigKey(
            "client_secret",
            .string,
            isSecret: true,
            help: "The application's client secret (OAuth 2); none for a public client."
        ),
        ConfigKey("token_url", .string, help: "Where tokens are refreshed; base_url and /2/oauth2/token if left out."),
        ConfigKey("timeout", .int, default: "30", help: "Seconds that Twitter has for an answer (1-60)."),
        ConfigKey("max_length", .int, default: "280", help: "The weight of the longest status (60-100000)."),
        ConfigKey("import", .bool, default: "false", help: "Imports for the accounts that ask for it."),
        ConfigKey(
            "import_interval",
            .int,
            default: "120",
            help: "Seconds between two looks at a home timeline (15-86400)."
        ),
        ConfigKey(
            "friends_interval",
            .int,
            default: "3600",
            help: "Seconds between two looks at whom an account follows (60-604800)."
        ),
        ConfigKey("application", .string, help: "This site's application as Twitter names it: not imported."),
    ]
}

/// What a recipient's row says about its account.
struct AccountOptions {
    let sends: Bool
    /// Also what begins with `@`, to people who aren't known there.
    let sendsReplies: Bool
    let sendsRepeats: Bool
    let imports: Bool
    let importsFriends: Bool

    init(_ options: JSON) {
        sends = options["send"]?.bool ?? true
        sendsReplies = options["replies"]?.bool ?? false
        sendsRepeats = options["repeats"]?.bool ?? true
        imports = options["import"]?.bool ?? false
        importsFriends = options["friends"]?.bool ?? false
    }
}
