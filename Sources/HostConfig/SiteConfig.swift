// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// What a file of sites.d says of one site: an immutable snapshot.
///
/// Its plugins' keys are judged by PluginConfigCheck.
package struct SiteConfig: Hashable, Sendable {
    /// The file that was read.
    package let file: String
    package let nickname: SiteName
    /// A host name, with a port where it isn't the scheme's.
    package let server: String
    /// For people.
    package let name: String
    /// The site's URL; ends with a slash.
    package let root: String
    /// Queues of this site that have a group of their own; each names this site.
    package let breakout: [BreakoutSpec]
    package let plugins: [PluginName: PluginSettings]
    /// In order of their names.
    package let enabledPlugins: [PluginName]

    init(
        file: String,
        nickname: SiteName,
        server: String,
        name: String,
        root: String,
        breakout: [BreakoutSpec],
        plugins: [PluginName: PluginSettings]
    ) {
        self.file = file
        self.nickname = nickname
        self.server = server
        self.name = name
        self.root = root
        self.breakout = breakout
        self.plugins = plugins
        enabledPlugins = plugins.filter(\.value.isEnabled).keys.sorted()
    }

    /// What plugins read of their site besides their own keys (hostd_plugin.h, config_get).
    package var hostValues: [String: String] {
        ["site.nickname": nickname.rawValue, "site.server": server, "site.root": root, "site.name": name]
    }

    /// Every key of a site's file, dotted; NAME stands for a plugin's name.
    package static var knownKeys: [String] {
        let document = ConfigDocument(folder: "/")
        _ = SiteReader(document, defaultNickname: "site").read()
        return document.knownKeys + ["plugins.NAME.\(PluginSettings.enabledKey)"]
    }

    /// Reads one file; all of its errors come together.
    package static func load(_ path: String) throws(ConfigError) -> SiteConfig {
        let document = ConfigDocument(file: path, environment: SecretReference.processEnvironment)
        let site = read(document, path: path)
        if let error = ConfigError(document.errors) { throw error }
        // Without an error there is a site.
        guard let site else { throw .unreadable(file: path, reason: "no site in it") }
        return site
    }

    /// nil or with errors in `document` where the file is wrong.
    static func read(_ document: ConfigDocument, path: String) -> SiteConfig? {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        return SiteReader(document, defaultNickname: String(file.dropLast(SiteFolder.suffix.count))).read()
    }
}

/// What a site sets for one plugin.
package struct PluginSettings: Hashable, Sendable {
    /// The host's own key in each plugin's section.
    package static let enabledKey = "enabled"

    package let isEnabled: Bool
    package let line: Int
    package let values: [String: ConfigValue]
}

private struct SiteReader {
    let document: ConfigDocument
    let defaultNickname: String

    init(_ document: ConfigDocument, defaultNickname: String) {
        self.document = document
        self.defaultNickname = defaultNickname
    }

    func read() -> SiteConfig? {
        let section = ConfigSection(document.root, document: document)
        var nickname: SiteName?
        var server: String?
        var name: String?
        var root: String?
        let legalName = "1 to 64 of the characters A-Z a-z 0-9 _ . -"
        section.read("nickname", .optional(.scalar(legalName) { SiteName($0.text) }), into: &nickname)
        section.read(
            "server",
            .optional(.text("a host name such as alice.example") { URLText.isAuthority($0) }),
            into: &server
        )
        section.read("name", .optional(.text), into: &name)
        section.read(
            "root",
            .optional(
                .text("an http or https URL with a slash at its end") { text in
                    URLText.isHTTP(text) && text.hasSuffix("/") && !text.contains("?") && !text.contains("#")
                }
            ),
            into: &root
        )
        var breakout: [BreakoutSpec] = []
        let breakoutForm = ConfigForm<BreakoutSpec>.scalar("GROUP/QUEUE (of this site)") { scalar in
            BreakoutSpec(scalar.text).flatMap { $0.site == nil ? $0 : nil }
        }
        section.read("breakout", .list(of: breakoutForm), into: &breakout)
        if let (one, other) = BreakoutSpec.conflict(breakout) {
            section.conflict("breakout", "\(one) and \(other) break out the same queue; keep one")
        }
        let plugins = readPlugins(section)
        section.reportUnknownKeys()
        guard let file = document.file, document.root != nil || document.errors.isEmpty else { return nil }
        if server == nil, !section.isGiven("server") {
            document.report(.missingKey(section.place(of: "server"), wanted: "a host name such as alice.example"))
        }
        if nickname == nil, !section.isGiven("nickname") {
            nickname = SiteName(defaultNickname)
            if nickname == nil {
                document.report(
                    .wrongValue(
                        section.place(of: "nickname"),
                        wanted: "a file name of \(legalName), or the key nickname",
                        found: Quoted.text(defaultNickname)
                    )
                )
            }
        }
        guard let nickname, let server else { return nil }
        return SiteConfig(
            file: file,
            nickname: nickname,
            server: server,
            name: name ?? nickname.rawValue,
            root: root ?? "http://\(server)/",
            breakout: breakout.map { BreakoutSpec(group: $0.group, queue: $0.queue, site: nickname) },
            plugins: plugins
        )
    }

    private func readPlugins(_ section: ConfigSection) -> [PluginName: PluginSettings] {
        var plugins: [PluginName: PluginSettings] = [:]
        let all = section.section("plugins")
        for entry in all.entries {
            let settings = all.section(entry.name)
            // An enabled key that says nothing means what the section's presence means.
            var isEnabled = true
            settings.read(PluginSettings.enabledKey, .bool, into: &isEnabled)
            settings.acceptAnyKey()
            guard let name = PluginName(entry.name) else {
                document.report(
                    .wrongValue(
                        document.place(line: entry.line, key: "plugins"),
                        wanted: "the name of a plugin (its file in plugins.d without .so)",
                        found: Quoted.text(entry.name)
                    )
                )
                continue
            }
            var values: [String: ConfigValue] = [:]
            for entry in settings.entries where entry.name != PluginSettings.enabledKey {
                values[entry.name] = ConfigValue(entry.node)
            }
            plugins[name] = PluginSettings(isEnabled: isEnabled, line: entry.line, values: values)
        }
        return plugins
    }
}
