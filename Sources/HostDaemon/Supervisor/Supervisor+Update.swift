// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import QueueCore

/// Live configuration: what is read, what is taken of it, and what is told of it.
///
/// Each site's change is taken whole or not at all; so is hostd.yaml.
extension Supervisor {
    /// Looks at the sites' files; at hostd.yaml too, unless only one site is meant.
    func read(for change: ChangeRequest) -> ConfigReading {
        var reading = ConfigReading(
            host: HostConfigReload(inForce: deployment.config, read: deployment.config),
            listing: siteFiles.read(deployment.config.sitesDir),
            only: change.only
        )
        guard change.only == nil else { return reading }
        do {
            let read = try HostConfig.load(options.configPath)
            if read.stomp.servers.isEmpty {
                try DeadLetterDirectory.prepare(read.queue.deadLetterDir)
                reading.host = HostConfigReload(inForce: deployment.config, read: read)
            } else {
                let file = read.file ?? HostConfig.defaultFile
                reading.hostErrors = ["\(SupervisorError.externalBrokers(file: file))"]
            }
        } catch {
            reading.hostErrors = error.lines
        }
        return reading
    }

    /// What would be in force; without `descriptors` what sites set for plugins is not judged.
    func merged(
        _ reading: ConfigReading,
        _ descriptors: [PluginName: PluginDescriptor]? = nil
    ) -> (deployment: Deployment, sites: SiteReload) {
        var next = deployment
        next.config = reading.host.config
        // By file: two of them may claim one nickname.
        var judged: [String: (site: SiteConfig, keys: [PluginName: SettledKeys])] = [:]
        let reload = SiteReload(inForce: deployment.sites, listing: reading.listing, only: reading.only) { site in
            guard let descriptors else { return [] }
            var errors: [ConfigError] = []
            var keys: [PluginName: SettledKeys] = [:]
            for plugin in site.enabledPlugins {
                guard let descriptor = descriptors[plugin] else { continue }
                let check = PluginConfigCheck.check(site, plugin: plugin, descriptor: descriptor)
                errors += check.errors
                keys[plugin] = SettledKeys(descriptor.configKeys, check.values)
            }
            if errors.isEmpty { judged[site.file] = (site, keys) }
            return errors
        }
        next.sites = reload.sites
        let before = Dictionary(deployment.sites.map { ($0.nickname, $0) }) { $1 }
        var values: [SiteName: [PluginName: SettledKeys]] = [:]
        for site in reload.sites {
            if let judged = judged[site.file], judged.site == site {
                values[site.nickname] = judged.keys
            } else if before[site.nickname] == site {
                // It stays as it was, and so do its secrets.
                values[site.nickname] = deployment.settled[site.nickname]
            }
        }
        next.settled = values
        return (next, reload)
    }

    /// Puts into force what can be taken; false where the change has come to its end by that.
    func takeConfiguration(_ descriptors: [PluginName: PluginDescriptor]) -> Bool {
        guard let change, let reading = change.reading else { return false }
        let (next, reload) = merged(reading, descriptors)
        guard reload.isKnown else {
            let site = change.only ?? ""
            logger.warning("update of a site that nobody knows; ignored", metadata: ["site": "\(site.prefix(64))"])
            let text = "there is no site \(site) in \(deployment.config.sitesDir), and there was none before"
            finishChange { $0.fail(text) }
            return false
        }
        note(reload, all: reading.only == nil)
        if reading.only == nil, reading.hostErrors.isEmpty { note(reading.host) }
        let complaints = reading.hostErrors + reload.errors.map(\.description)
        for line in complaints {
            logger.error("not taken, what was in force stays", metadata: ["reason": "\(line)"])
        }
        self.change?.complaints = complaints
        let sites = Self.differing(deployment, next)
        self.change?.sites = sites
        deployment = next
        return true
    }

    private func note(_ reload: SiteReload, all: Bool) {
        if all { configErrors = [:] }
        for file in reload.files { configErrors[file] = nil }
        for error in reload.errors { configErrors[error.file, default: []].append(error.description) }
    }

    private func note(_ reload: HostConfigReload) {
        waitingKeys = reload.waiting
        for key in reload.config.keysWithoutEffect where !deployment.config.keysWithoutEffect.contains(key) {
            logger.warning("a key that changes nothing in this version is set", metadata: ["key": "\(key)"])
        }
        if !reload.live.isEmpty {
            logger.info("hostd.yaml changed", metadata: ["in_force": "\(reload.live.joined(separator: " "))"])
        }
        if !reload.waiting.isEmpty {
            let keys = reload.waiting.joined(separator: " ")
            logger.warning("changed keys of hostd.yaml wait for a restart of hostd", metadata: ["keys": "\(keys)"])
        }
    }

    private static func differing(_ old: Deployment, _ new: Deployment) -> Set<SiteName> {
        let before = Dictionary(old.sites.map { ($0.nickname, $0) }) { $1 }
        let after = Dictionary(new.sites.map { ($0.nickname, $0) }) { $1 }
        return Set(before.keys).union(after.keys).filter {
            before[$0] != after[$0] || old.settled[$0] != new.settled[$0]
        }
    }

    // MARK: The effect

    /// A process has shown whether it starts; `cause`: it ended.
    func shown(_ id: SlotID, endedBy cause: String? = nil) {
        guard change?.awaited.remove(id) != nil else { return }
        if let cause { change?.complaints.append("\(id) ended: \(cause); it is started again") }
        finishUpdateIfDone()
    }

    /// All who were told have done it.
    func finishUpdate() {
        change?.isHeard = true
        finishUpdateIfDone()
    }

    private func finishUpdateIfDone() {
        guard let change, case .update(let name) = change.kind, change.isHeard, change.awaited.isEmpty else { return }
        // A site that was named by its old server's name is called otherwise by now.
        let sites = deployment.sites.filter { site in
            name.map { site.isCalled($0) || change.sites.contains(site.nickname) } ?? true
        }
        complainOfSites(change.sites.union(name == nil ? [] : sites.map(\.nickname)))
        let plugins = Set(sites.flatMap(\.enabledPlugins))
        let queues = plugins.compactMap { running[$0]?.code.descriptor.handlers.count }.reduce(0, +)
        let what =
            name != nil && sites.isEmpty
            ? "the site is gone; its items wait"
            : "\(Self.counted(plugins.count, "plugin")), \(Self.counted(queues, "queue"))"
        let subject = name ?? Self.counted(sites.count, "site")
        var text = "update \(subject): \(what), \(Self.seconds(now - change.askedAt))"
        if change.replaced > 0 {
            text += "; \(Self.counted(change.replaced, "worker")) replaced, as plugins of a group share them"
        }
        if name == nil, !waitingKeys.isEmpty {
            text += "; waiting for a restart of hostd: \(waitingKeys.joined(separator: ", "))"
        }
        conclude(
            text,
            [
                "plugins": JSONValue(plugins.count), "queues": JSONValue(queues),
                "replaced_workers": JSONValue(change.replaced), "changed_sites": JSONValue(change.sites.count),
                "changed_keys": .array((change.reading?.host.live ?? []).map { .string($0) }),
                "waiting_for_restart": .array(waitingKeys.map { .string($0) }),
            ]
        )
    }

    /// A site that a worker could not open, or not change.
    private func complainOfSites(_ sites: Set<SiteName>) {
        for site in sites.sorted() {
            let errors = slots.values.compactMap { slot in
                slot.process?.siteErrors[site].map { "site \(site): \(slot.id): \($0)" }
            }
            if let error = errors.min() { change?.complaints.append(error) }
        }
    }

    func conclude(_ text: String, _ members: [String: JSONValue] = [:]) {
        guard let change else { return }
        finishChange(answer(to: change, text, members))
    }

    /// The end of a change that did what it could; what it could not is an error.
    func answer(
        to done: ChangeRequest,
        _ text: String,
        _ members: [String: JSONValue] = [:]
    ) -> (PendingReply) -> Void {
        let count = done.complaints.count
        guard let first = done.complaints.first else {
            logger.info("change done", metadata: ["change": "\(text)"])
            return { $0.succeed(text: text, members) }
        }
        let others = count > 1 ? " (and \(Self.counted(count - 1, "more error")), see the log)" : ""
        logger.warning("change done in part", metadata: ["change": "\(text)", "errors": "\(count)"])
        return { $0.fail("\(first)\(others); what was in force there stays, all else is done: \(text)") }
    }
}
