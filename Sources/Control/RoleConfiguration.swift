// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// All that a child knows of the configuration: the supervisor alone reads files.
package enum RoleConfiguration: Codable, Hashable, Sendable {
    case broker(BrokerConfiguration)
    case worker(WorkerConfiguration)
    case console(ConsoleConfiguration)
}

/// An enabled plugin as the broker knows it.
package struct PluginEntry: Codable, Hashable, Sendable {
    package var name: PluginName
    /// Of the file that runs, or of the last one that could be loaded; nil where it never could: then items of queues
    /// that nobody is known to handle wait on the sites that enable it.
    package var descriptor: PluginDescriptor?
    package var isLoaded: Bool

    package init(name: PluginName, descriptor: PluginDescriptor?, isLoaded: Bool) {
        self.name = name
        self.descriptor = descriptor
        self.isLoaded = isLoaded
    }
}

/// A site as the broker knows it: no secret, no plugin's keys.
package struct SiteEntry: Codable, Hashable, Sendable {
    package var nickname: SiteName
    /// Host name; items may name a site by it (the original's habit).
    package var server: String
    package var plugins: [PluginName]

    package init(nickname: SiteName, server: String, plugins: [PluginName]) {
        self.nickname = nickname
        self.server = server
        self.plugins = plugins
    }
}

package struct BrokerConfiguration: Codable, Hashable, Sendable {
    package var stateDirectory: String
    /// STOMP over TCP: host and port; nil = Unix socket only.
    ///
    /// Port 0: a free one, told in `status`.
    package var listenHost: String?
    package var listenPort: Int = 0
    package var username: String?
    package var password: String?
    /// `/queue/statusnet/`.
    package var basename = "/queue/statusnet/"
    package var controlChannels = ["/topic/statusnet-control", "/topic/statusnet/control"]
    /// GROUP/QUEUE or GROUP/QUEUE/SITE.
    package var breakout: [String] = []
    package var maxRetries = 10
    package var deadLetterDirectory: String?
    package var targetConcurrency = 20
    package var expiresMs: Int64 = 5 * 86_400_000
    package var historyMs: Int64 = 7 * 86_400_000
    /// Bytes; nil = only the disk's own end.
    package var maxStoreBytes: Int64?
    package var dedupeWindowMs: Int64 = 86_400_000
    package var priorities: [QueueName: Int] = [:]
    /// Logs memory figures at debug level.
    package var debugMemory = false
    package var sites: [SiteEntry] = []
    package var plugins: [PluginEntry] = []
    package var version = ""

    package init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    /// STOMP for local producers.
    package var stompSocket: String { stateDirectory + "/stomp.sock" }
    /// For workers only (WorkerLink).
    package var workerSocket: String { stateDirectory + "/worker.sock" }
    package var storePath: String { stateDirectory + "/queue.db" }
}

/// A site as a worker of one plugin knows it.
package struct WorkerSite: Codable, Hashable, Sendable {
    package var nickname: SiteName
    package var server: String
    package var name: String
    /// URL with a slash at the end.
    package var root: String
    /// The plugin's keys, checked, defaults filled in; secrets in clear: never log this.
    package var values: [String: String]

    package init(nickname: SiteName, server: String, name: String, root: String, values: [String: String]) {
        self.nickname = nickname
        self.server = server
        self.name = name
        self.root = root
        self.values = values
    }
}

/// What one worker process is to do: a plugin's queues, or with `workers.isolate: group` those of several plugins.
package struct WorkerConfiguration: Codable, Hashable, Sendable {
    package var plugin: PluginName
    /// The private copy, absolute.
    package var pluginPath: String
    package var descriptor: PluginDescriptor
    package var generation: Int
    /// 0, 1, ...
    ///
    /// among the workers of its unit; -1: the hunter.
    package var index: Int
    /// The set of workers that it belongs to, over generations: a group's name or a breakout entry, `main/ombout/alice`.
    package var unit = GroupName.main.rawValue
    /// The unit is a group's, not a plugin's (`workers.isolate: group`).
    package var isShared = false
    /// Which of the plugin's queues it serves, of which sites.
    package var queues: [QueueName: SiteScope]
    /// The other plugins in the same process; none has others itself.
    package var others: [WorkerConfiguration] = []
    /// It gets nothing but items that may have killed a worker, one at a time.
    package var isHunter = false
    package var stateDirectory: String
    package var workerSocket: String
    package var sites: [WorkerSite]
    /// Of `sites`, those whose opening ended a worker: left shut, unless they are open already.
    package var shutSites: [SiteName] = []
    package var httpTimeoutMs = 10_000
    package var connectionsPerHost = 512
    package var allowPrivate = false
    /// memcached, `HOST:PORT` each; none = the worker's own memory.
    package var cacheServers: [String] = []
    /// Milliseconds per delivery where the plugin names none.
    package var handlerTimeoutMs = 60_000
    /// Resident memory past which it doesn't even begin; 0 = no limit.
    package var softLimitBytes: Int64 = 0
    /// Logs memory figures at debug level.
    package var debugMemory = false
    /// Milliseconds that the plugin's init, or the opening of a site, may take.
    package var startTimeoutMs = 60_000
    package var version = ""

    /// Serves all queues of the plugin, of all sites.
    package init(
        plugin: PluginName,
        pluginPath: String,
        descriptor: PluginDescriptor,
        generation: Int,
        index: Int,
        stateDirectory: String,
        workerSocket: String,
        sites: [WorkerSite]
    ) {
        self.plugin = plugin
        self.pluginPath = pluginPath
        self.descriptor = descriptor
        self.generation = generation
        self.index = index
        self.stateDirectory = stateDirectory
        self.workerSocket = workerSocket
        self.sites = sites
        queues = Dictionary(descriptor.handlers.map { ($0.queue, .all) }) { first, _ in first }
    }

    /// All plugins of the process, each with its own part.
    package var members: [WorkerConfiguration] { [self] + others }

    package var recipientsPath: String { stateDirectory + "/recipients.db" }
    package var keyValuePath: String { stateDirectory + "/kv.db" }
    /// Where this worker notes which items are inside a handler (`InFlightJournal`); read by the broker after its death.
    package func journalPath(pid: Int32) -> String { "\(stateDirectory)/journals/\(plugin)-\(pid).journal" }
    /// Where it notes which site it is opening (`OpeningNote`); read by the supervisor after its death.
    package func openingNotePath(pid: Int32) -> String {
        OpeningNote.path(stateDirectory: stateDirectory, plugin: plugin, pid: pid)
    }
}

package struct ConsoleConfiguration: Codable, Hashable, Sendable {
    package var listenHost: String
    package var listenPort: Int
    package var token: String?
    /// The supervisor's, as queuectl uses it.
    package var controlSocket: String
    package var version = ""

    /// Where a console finds the supervisor's listening socket, if it gets one: behind its channel.
    package static let doorDescriptor = ChildChannel.descriptor + 1

    package init(listenHost: String, listenPort: Int, token: String?, controlSocket: String) {
        self.listenHost = listenHost
        self.listenPort = listenPort
        self.token = token
        self.controlSocket = controlSocket
    }
}
