// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// What a site sets for a plugin, against what the plugin's descriptor declares: `hostd --check`, the supervisor before
/// it takes a site, and the worker before site_open.
package struct PluginConfigCheck: Sendable {
    /// What the plugin gets: lists one element per line, Booleans `true` or `false`, numbers in decimal digits, secrets
    /// resolved, defaults filled in.
    ///
    /// Complete only where `errors` is empty. Holds secrets: never print it.
    package private(set) var values: [String: String] = [:]
    package private(set) var errors: [ConfigError] = []

    private let site: SiteConfig
    private let plugin: PluginName
    private let environment: SecretReference.Environment

    /// A plugin that the site doesn't mention gives no errors and no values.
    package static func check(
        _ site: SiteConfig,
        plugin: PluginName,
        descriptor: PluginDescriptor,
        environment: @escaping SecretReference.Environment = SecretReference.processEnvironment
    ) -> PluginConfigCheck {
        var check = PluginConfigCheck(site: site, plugin: plugin, environment: environment)
        if let settings = site.plugins[plugin] { check.run(settings, descriptor.configKeys) }
        return check
    }

    private init(site: SiteConfig, plugin: PluginName, environment: @escaping SecretReference.Environment) {
        self.site = site
        self.plugin = plugin
        self.environment = environment
    }

    private mutating func run(_ settings: PluginSettings, _ keys: [ConfigKey]) {
        let names = keys.map(\.name)
        let unknown = settings.values.filter { !names.contains($0.key) }
        for (name, value) in unknown.sorted(by: { ($0.value.line, $0.key) < ($1.value.line, $1.key) }) {
            let nearest = NearestName.nearest(to: name, among: names + [PluginSettings.enabledKey])
            errors.append(.unknownKey(place(name, value.line), suggestion: nearest ?? Self.listed(names)))
        }
        for key in keys {
            if let value = settings.values[key.name], value.content != .nothing {
                values[key.name] = text(of: value, key)
            } else if let defaultValue = key.defaultValue {
                values[key.name] = defaultValue
            } else if key.isRequired {
                let help = key.help.isEmpty ? "" : " (\(key.help))"
                errors.append(.missingKey(place(key.name, settings.line), wanted: key.kind.wanted + help))
            }
        }
    }

    /// nil where the value is wrong.
    private mutating func text(of value: ConfigValue, _ key: ConfigKey) -> String? {
        switch (key.kind, value.content) {
        case (.string, .scalar(let text, _)):
            return key.isSecret ? reveal(text, value, key) : text
        case (.int, .scalar(let text, true)):
            if let number = Self.integer(text) { return String(number) }
        case (.bool, .scalar(let text, true)):
            if let flag = Flag.parse(text) { return flag ? "true" : "false" }
        case (.list, .list(let elements)):
            let texts = elements.map { element($0, key) }
            let good = texts.compactMap(\.self)
            return good.count == texts.count ? good.joined(separator: "\n") : nil
        default:
            break
        }
        reject(value, key, wanted: key.kind.wanted)
        return nil
    }

    private mutating func element(_ value: ConfigValue, _ key: ConfigKey) -> String? {
        guard case .scalar(let written, _) = value.content else {
            reject(value, key, wanted: "a text in the list")
            return nil
        }
        guard let text = key.isSecret ? reveal(written, value, key) : written else { return nil }
        guard !text.contains(where: \.isNewline) else {
            reject(value, key, wanted: "a text of one line")
            return nil
        }
        return text
    }

    private mutating func reveal(_ text: String, _ value: ConfigValue, _ key: ConfigKey) -> String? {
        do {
            let folder = TextFile.folder(of: site.file)
            return try SecretReference(text).resolve(in: folder, environment: environment).reveal()
        } catch {
            errors.append(.secret(place(key.name, value.line), problem: error.problem))
            return nil
        }
    }

    private mutating func reject(_ value: ConfigValue, _ key: ConfigKey, wanted: String) {
        errors.append(
            .wrongValue(place(key.name, value.line), wanted: wanted, found: value.found(isSecret: key.isSecret))
        )
    }

    private func place(_ key: String, _ line: Int) -> ConfigPlace {
        ConfigPlace(file: site.file, line: line, key: "plugins.\(plugin).\(key)")
    }

    private static func integer(_ text: String) -> Int64? {
        text.hasPrefix("-") ? Digits.parse(text.dropFirst()).map { -$0 } : Digits.parse(text)
    }

    private static func listed(_ names: [String]) -> String? {
        names.isEmpty || names.count > 12 ? nil : "one of " + names.sorted().joined(separator: ", ")
    }
}

extension ConfigKey.Kind {
    /// In words for an error.
    var wanted: String {
        switch self {
        case .string: "a text"
        case .int: "a whole number"
        case .bool: "true or false"
        case .list: "a list ([A, B] or - lines)"
        }
    }
}
