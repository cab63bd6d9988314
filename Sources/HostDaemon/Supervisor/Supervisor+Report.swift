// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Logging
import QueueCore
import Telemetry

/// What it knows, as queuectl's JSON has it (docs: the commands' --json output; members are only added).
extension Supervisor {
    var hostReport: JSONValue {
        .object([
            "version": .string(HostVersion.current), "pid": JSONValue(getpid()),
            "uptime_s": JSONValue(now.components.seconds), "state": .string(stop != nil ? "stopping" : "running"),
            "waiting_for_restart": .array(waitingKeys.map { .string($0) }),
        ])
    }

    var processesReport: JSONValue {
        let own: [String: JSONValue] = [
            "role": .string("supervisor"), "pid": JSONValue(getpid()), "plugin": .null, "group": .null,
            "version": .string(HostVersion.current),
            "generation": .null, "rss_bytes": JSONValue(ResidentMemory.bytes(of: getpid()) ?? 0),
            "in_flight": .int(0), "state": .string("ready"), "hunter": .bool(false),
            "host_version": .string(HostVersion.current),
        ]
        let others = slots.values.filter { $0.process != nil }.sorted {
            ($0.id.role.rawValue, $0.id.description, $0.id.generation)
                < ($1.id.role.rawValue, $1.id.description, $1.id.generation)
        }
        return .array([.object(own)] + others.map { .object(report(of: $0)) })
    }

    private func report(of slot: Slot) -> [String: JSONValue] {
        let pid = slot.process?.child.pid ?? 0
        let isWorker = slot.id.role == .worker
        let versions = slot.members.map(\.descriptor.version).joined(separator: ",")
        return [
            "role": .string(slot.id.role.rawValue), "pid": JSONValue(pid),
            "plugin": isWorker ? .string(slot.pluginList) : .null,
            "version": isWorker ? .string(versions) : JSONValue(slot.process?.version),
            "group": isWorker ? .string(slot.id.unit) : .null,
            "generation": isWorker ? JSONValue(slot.id.generation) : .null,
            "rss_bytes": JSONValue(ResidentMemory.bytes(of: pid) ?? 0),
            "in_flight": JSONValue(slot.process?.vitals?.inFlight ?? 0), "state": .string(slot.machine.state.word),
            "hunter": .bool(slot.id.isHunter),
            "host_version": JSONValue(slot.process?.version),
        ]
    }

    var sitesReport: JSONValue {
        .array(
            deployment.sites.map { site in
                let error = error(of: site)
                return .object([
                    "nickname": .string(site.nickname.rawValue), "server": .string(site.server),
                    "name": .string(site.name),
                    "plugins": .array(site.enabledPlugins.map { .string($0.rawValue) }),
                    "state": .string(error == nil ? "open" : "error"), "error": JSONValue(error),
                ])
            } + refusedSites
        )
    }

    /// Files of sites that never were in force, for what is wrong with them.
    private var refusedSites: [JSONValue] {
        let known = Set(deployment.sites.map(\.file))
        return configErrors.filter { !known.contains($0.key) }.sorted { $0.key < $1.key }.map { file, lines in
            let name = file.split(separator: "/").last.map { $0.hasSuffix(".yaml") ? $0.dropLast(5) : $0 }
            return .object([
                "nickname": .string(name.map(String.init) ?? file), "server": .null, "name": .null,
                "plugins": .array([]), "state": .string("error"), "error": JSONValue(lines.first),
            ])
        }
    }

    /// Its file is wrong, a worker could not open it, or a plugin that it enables can't be run.
    private func error(of site: SiteConfig) -> String? {
        if let line = configErrors[site.file]?.first { return line }
        if let reason = troubles.reason(of: site.nickname) { return reason }
        for slot in slots.values {
            if let error = slot.process?.siteErrors[site.nickname] { return "\(slot.id): \(error)" }
        }
        return site.enabledPlugins.first { running[$0] == nil }
            .flatMap { plugin in catalog.reason(against: plugin).map { "plugin \(plugin): \($0)" } }
    }

    var pluginsReport: JSONValue {
        var rows = catalog.entries.map { entry in
            (file: entry.file, row: report(file: entry.file, name: entry.name, entry: entry))
        }
        let listed = Set(catalog.entries.compactMap(\.name))
        for plugin in deployment.enabledPlugins.union(running.keys) where !listed.contains(plugin) {
            rows.append((file: "\(plugin).so", row: report(file: "\(plugin).so", name: plugin, entry: nil)))
        }
        return .array(rows.sorted { $0.file < $1.file }.map { .object($0.row) })
    }

    private func report(file: String, name: PluginName?, entry: PluginCatalog.Entry?) -> [String: JSONValue] {
        let code = name.flatMap { running[$0] }
        let descriptor = code?.code.descriptor ?? name.flatMap { catalog.loadable[$0]?.descriptor }
        let abi = descriptor?.abi ?? entry?.identity?.abi
        var reason = entry?.verdict.reason ?? (entry == nil ? name.flatMap { catalog.reason(against: $0) } : nil)
        if reason == nil { reason = name.flatMap { rolloutFailures[$0] } }
        if code != nil { reason = reason.map { "the old code goes on: \($0)" } }
        if let name, let why = reasonOfBarred(name), reason == nil { reason = why }
        if reason == nil, let failure = name.flatMap(startFailure) {
            reason = "its worker ends at its start: \(failure)"
        }
        return [
            "file": .string(file), "id": JSONValue(descriptor?.id ?? entry?.identity?.id),
            "version": JSONValue(descriptor?.version ?? entry?.identity?.version),
            "state": .string(Self.state(isRunning: code != nil, entry?.verdict)), "reason": JSONValue(reason),
            "abi": abi.map {
                .object([
                    "major": JSONValue($0.major), "need_minor": JSONValue($0.needMinor),
                    "built_minor": JSONValue($0.builtMinor),
                ])
            } ?? .null,
            "queues": .array((descriptor?.handlers ?? []).map { .string($0.queue.rawValue) }),
            "generation": JSONValue(code?.generation ?? 0), "workers": JSONValue(name.map(readyWorkers) ?? 0),
            "rollout": JSONValue(name.flatMap { rollouts[$0]?.machine.state.word }),
        ]
    }

    /// `disabled`: it could run, but no site enables it.
    private static func state(isRunning: Bool, _ verdict: PluginCatalog.Verdict?) -> String {
        if isRunning { return "loaded" }
        return switch verdict {
        case .loadable: "disabled"
        case .refused: "refused"
        case .failed, nil: "failed"
        }
    }

    private func readyWorkers(of plugin: PluginName) -> Int {
        slots.values.filter { $0.plugins.contains(plugin) && !$0.id.isHunter && $0.machine.isReady }.count
    }

    /// Of a worker that could not start, and hasn't since.
    private func startFailure(of plugin: PluginName) -> String? {
        slots.values.filter { $0.plugins.contains(plugin) }.sorted { $0.id.index < $1.id.index }
            .lazy.compactMap(\.startFailure).first
    }

    /// Of a process, for the log.
    func metadata(_ id: SlotID, _ pid: Int32?, _ reason: String? = nil) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["process": "\(id)"]
        if let pid { metadata["pid"] = "\(pid)" }
        if id.role == .worker { metadata["generation"] = "\(id.generation)" }
        if let reason { metadata["reason"] = "\(reason)" }
        return metadata
    }

    var ownSamples: [MetricSample] {
        var residents = ["supervisor": ResidentMemory.bytes(of: getpid()) ?? 0]
        for slot in slots.values {
            guard let pid = slot.process?.child.pid else { continue }
            residents[slot.id.role.rawValue, default: 0] += ResidentMemory.bytes(of: pid) ?? 0
        }
        return residents.map { role, bytes in
            MetricSample(HostMetrics.residentBytes, labels: ["role": role], value: Double(bytes))
        }
            + running.map { plugin, code in
                MetricSample(
                    HostMetrics.generation,
                    labels: ["plugin": plugin.rawValue],
                    value: Double(code.generation)
                )
            }
            + deaths.map { key, count in
                MetricSample(
                    HostMetrics.workerDeaths,
                    labels: ["plugin": key.plugins, "cause": key.cause],
                    value: Double(count)
                )
            }
    }
}

extension RolloutStateMachine.State {
    /// For `plugins`.
    fileprivate var word: String {
        switch self {
        case .startingCanary, .starting: "starting"
        case .watching, .proving: "canary"
        case .handingOver: "handing over"
        case .done, .undone, .rolledBack, .gaveWay: "over"
        }
    }
}

extension SlotStateMachine.State {
    /// For `status`.
    var word: String {
        switch self {
        case .waiting: "waiting"
        case .starting: "starting"
        case .ready: "ready"
        case .draining: "draining"
        case .killed: "killed"
        case .dead: "dead"
        }
    }
}
