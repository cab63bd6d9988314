// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What hostd.yaml says, defaults filled in: an immutable snapshot that every role and queuectl reads at its start.
///
/// docs/config.md describes every key; a test holds the two together.
package struct HostConfig: Hashable, Sendable {
    /// The file that was read, as it was named; nil = none, all defaults.
    package internal(set) var file: String?
    /// Absolute; paths in the file are relative to it.
    package let folder: String

    package var stateDir: String
    package var pluginsDir: String
    package var sitesDir: String
    package var workers = WorkersConfig()
    package var queue = QueueConfig()
    package var stomp = StompConfig()
    package var cache = CacheConfig()
    package var console = ConsoleConfig()
    package var http = HTTPConfig()
    package var snmp = SNMPConfig()

    /// Read where no `--config` is given.
    package static let defaultFile = "hostd.yaml"

    /// All defaults, for the folder that relative paths are relative to.
    package init(folder: String) {
        self.folder = folder
        stateDir = TextFile.resolve("var", in: folder)
        pluginsDir = TextFile.resolve("plugins.d", in: folder)
        sitesDir = TextFile.resolve("sites.d", in: folder)
    }

    /// Reads `path`; nil = `./hostd.yaml` if there is one, else all defaults.
    ///
    /// All errors of the file come together.
    package static func load(
        _ path: String?,
        environment: @escaping SecretReference.Environment = SecretReference.processEnvironment
    ) throws(ConfigError) -> HostConfig {
        let (config, errors) = read(document(path, environment))
        if let error = ConfigError(errors) { throw error }
        return config
    }

    /// For programs that only want to find a hostd that runs: what could be read, and what is wrong with the rest.
    ///
    /// Throws where the file doesn't say, or may not say truly, where that hostd has its state.
    package static func locate(
        _ path: String?,
        environment: @escaping SecretReference.Environment = SecretReference.processEnvironment
    ) throws(ConfigError) -> (config: HostConfig, error: ConfigError?) {
        let document = document(path, environment)
        var (config, errors) = read(document)
        guard let error = ConfigError(errors) else { return (config, nil) }
        // Where the YAML as a whole is broken, the one line that matters may be well.
        if document.root == nil {
            guard let file = document.file, let text = document.text else { throw error }
            let lines = text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix(stateDirKey + ":") }
            guard lines.count == (text.contains(stateDirKey) ? 1 : 0) else { throw error }
            let alone = ConfigDocument(file: file, text: lines.joined(), environment: environment)
            (config, errors) = read(alone)
            if !errors.isEmpty { throw error }
        }
        if errors.contains(where: { $0.isAbout(stateDirKey) }) { throw error }
        return (config, error)
    }

    private static let stateDirKey = "state_dir"

    /// hostd.yaml and all of its sites, the errors of all files together: what `hostd --check` and a start need.
    package static func loadAll(
        _ path: String?,
        environment: @escaping SecretReference.Environment = SecretReference.processEnvironment
    ) throws(ConfigError) -> (config: HostConfig, sites: [SiteConfig]) {
        let document = document(path, environment)
        let (config, errors) = read(document)
        let folder = SiteFolder.read(config.sitesDir)
        if let error = ConfigError(errors + folder.errors) { throw error }
        return (config, folder.sites)
    }

    static func parse(
        _ text: String,
        file: String,
        environment: @escaping SecretReference.Environment
    )
        throws(ConfigError) -> HostConfig
    {
        let (config, errors) = read(ConfigDocument(file: file, text: text, environment: environment))
        if let error = ConfigError(errors) { throw error }
        return config
    }

    /// Every key of hostd.yaml, dotted.
    package static var knownKeys: [String] {
        let document = ConfigDocument(folder: "/")
        var config = HostConfig(folder: "/")
        config.read(ConfigSection(nil, document: document))
        return document.knownKeys
    }

    private static func document(
        _ path: String?,
        _ environment: @escaping SecretReference.Environment
    ) -> ConfigDocument {
        if path == nil, access(defaultFile, F_OK) != 0, errno == ENOENT {
            return ConfigDocument(folder: TextFile.workingFolder)
        }
        return ConfigDocument(file: path ?? defaultFile, environment: environment)
    }

    private static func read(_ document: ConfigDocument) -> (HostConfig, [ConfigError]) {
        var config = HostConfig(folder: document.folder)
        config.file = document.file
        config.read(ConfigSection(document.root, document: document))
        return (config, document.errors)
    }

    private mutating func read(_ root: ConfigSection) {
        root.read(Self.stateDirKey, .path, into: &stateDir)
        root.read("plugins_dir", .path, into: &pluginsDir)
        root.read("sites_dir", .path, into: &sitesDir)
        workers.read(root.section("workers"))
        let queueSection = root.section("queue")
        queue.read(queueSection)
        stomp.read(root.section("stomp"))
        cache.read(root.section("cache"))
        console.read(root.section("console"))
        http.read(root.section("http"))
        snmp.read(root.section("snmp"))
        root.reportUnknownKeys()
        let most = workers.memoryLimit ?? WorkersConfig.mostMemory
        if case .size(let size) = queue.softlimit, size > most {
            queueSection.conflict("softlimit", "\(size) is more than workers.memory_limit (\(most))")
        }
    }

    /// Of a worker's resident memory.
    package struct MemoryLimits: Hashable, Sendable {
        /// Past it the worker gives way to a fresh one.
        package var soft: ByteCount
        /// Past it the worker is ended.
        package var hard: ByteCount
    }

    /// `count`: workers of a plugin.
    package func memoryLimits(
        workers count: Int,
        available: ByteCount? = MemorySize.available()
    ) -> MemoryLimits {
        let hard = workers.effectiveMemoryLimit(workers: count, available: available)
        return MemoryLimits(soft: min(ByteCount(queue.softlimit.bytes(of: hard)), hard), hard: hard)
    }
}
