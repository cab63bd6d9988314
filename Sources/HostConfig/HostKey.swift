// SPDX-License-Identifier: Apache-2.0

/// One key of hostd.yaml, and what a changed value of it needs.
///
/// docs/config.md says the same of each in its column *change*; a test holds the two together.
package struct HostKey: Sendable {
    package enum Change: String, Sendable {
        /// A reload puts it in force.
        case live
        /// It waits for a new start of hostd.
        case restart
    }

    package let name: String
    package let change: Change
    let differs: @Sendable (HostConfig, HostConfig) -> Bool
    let copy: @Sendable (_ source: HostConfig, _ destination: inout HostConfig) -> Void

    private init<Value: Equatable & SendableMetatype>(
        _ name: String,
        _ change: Change,
        _ path: any WritableKeyPath<HostConfig, Value> & Sendable
    ) {
        self.name = name
        self.change = change
        differs = { $0[keyPath: path] != $1[keyPath: path] }
        copy = { $1[keyPath: path] = $0[keyPath: path] }
    }

    /// In the order of the file.
    package static let all: [HostKey] = [
        HostKey("state_dir", .restart, \.stateDir),
        HostKey("plugins_dir", .restart, \.pluginsDir),
        HostKey("sites_dir", .restart, \.sitesDir),
        HostKey("workers.count", .live, \.workers.count),
        HostKey("workers.isolate", .live, \.workers.isolate),
        HostKey("workers.canary", .live, \.workers.canary),
        HostKey("workers.start_timeout", .live, \.workers.startTimeout),
        HostKey("workers.memory_limit", .live, \.workers.memoryLimit),
        HostKey("queue.listen", .restart, \.queue.listen),
        HostKey("queue.username", .live, \.queue.username),
        HostKey("queue.password", .live, \.queue.password),
        HostKey("queue.basename", .live, \.queue.basename),
        HostKey("queue.control_channel", .live, \.queue.controlChannel),
        HostKey("queue.breakout", .live, \.queue.breakout),
        HostKey("queue.max_retries", .live, \.queue.maxRetries),
        HostKey("queue.dead_letter_dir", .live, \.queue.deadLetterDir),
        HostKey("queue.target_concurrency", .live, \.queue.targetConcurrency),
        HostKey("queue.expires", .live, \.queue.expires),
        HostKey("queue.history", .live, \.queue.history),
        HostKey("queue.max_store", .live, \.queue.maxStore),
        HostKey("queue.priorities", .live, \.queue.priorities),
        HostKey("queue.dedupe_window", .live, \.queue.dedupeWindow),
        HostKey("queue.softlimit", .live, \.queue.softlimit),
        HostKey("queue.spawndelay", .live, \.queue.spawndelay),
        HostKey("queue.drain_timeout", .live, \.queue.drainTimeout),
        HostKey("queue.debug_memory", .live, \.queue.debugMemory),
        HostKey("queue.monitor", .live, \.queue.monitor),
        HostKey("stomp.servers", .restart, \.stomp.servers),
        HostKey("stomp.username", .restart, \.stomp.username),
        HostKey("stomp.password", .restart, \.stomp.password),
        HostKey("stomp.persistent", .restart, \.stomp.persistent),
        HostKey("stomp.manual_failover", .restart, \.stomp.manualFailover),
        HostKey("stomp.reconnect", .restart, \.stomp.reconnect),
        HostKey("stomp.enqueue_on", .restart, \.stomp.enqueueOn),
        HostKey("cache.servers", .restart, \.cache.servers),
        HostKey("console.listen", .live, \.console.listen),
        HostKey("console.token", .live, \.console.token),
        HostKey("http.timeout", .live, \.http.timeout),
        HostKey("http.connections_per_host", .live, \.http.connectionsPerHost),
        HostKey("http.allow_private", .live, \.http.allowPrivate),
        HostKey("snmp.agentx", .restart, \.snmp.agentx),
    ]
}

/// What a reading of hostd.yaml makes of the configuration in force: pure.
///
/// Keys that wait for a restart keep their value in force until then, so that each reload names them again.
package struct HostConfigReload: Hashable, Sendable {
    /// In force from now on.
    package private(set) var config: HostConfig
    /// Changed, and in force from now on.
    package private(set) var live: [String] = []
    /// Changed in the file, and waiting for a new start of hostd.
    package private(set) var waiting: [String] = []

    package init(inForce: HostConfig, read: HostConfig) {
        config = read
        var keepsLogin = false
        for key in HostKey.all where key.change == .restart { key.copy(inForce, &config) }
        // The file is sound as a whole, but the address that stays in force may be one that needs the old login.
        if let listen = config.queue.listen, !listen.isLoopback, config.queue.username == nil {
            keepsLogin = true
            config.queue.username = inForce.queue.username
            config.queue.password = inForce.queue.password
        }
        for key in HostKey.all where key.differs(inForce, read) {
            let isLogin = key.name == "queue.username" || key.name == "queue.password"
            if key.change == .live, !(isLogin && keepsLogin) {
                live.append(key.name)
            } else {
                waiting.append(key.name)
            }
        }
    }
}
