// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Logging
import QueueCore

/// Hunters, and what they try: items that may have killed a worker, sites whose opening did.
extension Supervisor {
    func hunt(_ plugins: [PluginName]) {
        hunts.set(Set(plugins), at: now)
        huntsChanged()
    }

    /// The hunters that are wanted now, beside the other workers.
    var hunters: [WorkerConfiguration] {
        hunts.plugins.sorted().compactMap(hunter)
    }

    private func hunter(of plugin: PluginName) -> WorkerConfiguration? {
        running[plugin].flatMap { SpawnPlan.hunter(of: plugin, $0, deployment, stateDirectory: state.path) }
    }

    /// False: all queues of the plugin have one worker per site, and that one tries their suspects, and its sites.
    private func mayHaveHunter(_ plugin: PluginName) -> Bool {
        running[plugin]?.code.descriptor.handlers.contains { !$0.isSingleton } == true
    }

    func huntsDue() {
        hunts.expire(at: now)
        reconcile()
    }

    private func huntsChanged() {
        reconcile()
        after(Hunts.linger + .milliseconds(10), .huntsDue)
    }

    // MARK: Sites whose opening ends workers

    /// A worker is gone: the site that a plugin of it was opening, if any, is left shut from now on.
    func endOpening(_ id: SlotID, _ process: RunningProcess, isPlanned: Bool, cause: String) {
        for member in slots[id]?.members ?? [] {
            // One that never was ready didn't get to know the broker, which removes the others' journals.
            if !process.wasReady { unlink(member.journalPath(pid: process.child.pid)) }
            let site = OpeningNote.take(member.openingNotePath(pid: process.child.pid))
            guard !isPlanned, let site else { continue }
            leaveShut(site, member.plugin, id, cause)
        }
    }

    private func leaveShut(_ site: SiteName, _ plugin: PluginName, _ id: SlotID, _ cause: String) {
        let reason = "plugin \(plugin): its worker ended while it opened the site: \(cause)"
        let wait = troubles.died(opening: site, of: plugin, reason: reason, at: now)
        slots[id]?.machine.forgive()
        if id.isHunter { hunts.letGo(plugin, at: now) }
        logger.error(
            "a site that ends its worker is left shut",
            metadata: [
                "plugin": "\(plugin)", "site": "\(site)", "reason": "\(cause)", "retry_in": "\(Self.seconds(wait))",
            ]
        )
        after(wait + .milliseconds(10), .siteTrialsDue)
        huntsChanged()
    }

    /// Tries shut sites whose time has come, each plugin's in a hunter that has nothing else to do.
    func beginTrials() {
        guard stop == nil else { return }
        for plugin in troubles.plugins {
            if mayHaveHunter(plugin) {
                // A suspect that is in it must not be taken for what a site did.
                guard !slots.keys.contains(where: { $0.plugin == plugin && $0.isHunter }) else {
                    after(Hunts.linger, .siteTrialsDue)
                    continue
                }
                guard troubles.beginTrials(of: plugin, at: now) else { continue }
                hunts.keep(plugin, until: now + startLimit + Hunts.linger)
            } else {
                _ = troubles.beginTrials(of: plugin, at: now)
            }
        }
        huntsChanged()
    }

    /// Whoever had sites on trial has them open, or has said why not.
    func endTrials(_ id: SlotID) {
        for plugin in slots[id]?.plugins ?? [] {
            guard id.isHunter || !mayHaveHunter(plugin), troubles.endTrials(of: plugin) else { continue }
            logger.info("sites that were left shut may be opened again", metadata: ["plugin": "\(plugin)"])
            if id.isHunter { hunts.letGo(plugin, at: now) }
            huntsChanged()
        }
    }

    /// What a worker leaves shut.
    func shuttingSites(_ worker: WorkerConfiguration) -> WorkerConfiguration {
        var worker = worker
        let withTrials = !worker.isHunter && mayHaveHunter(worker.plugin)
        worker.shutSites = troubles.shutSites(of: worker.plugin, withTrials: withTrials)
        worker.others = worker.others.map(shuttingSites)
        return worker
    }

    /// After a change of the configuration, or of the plugins: it may have mended what was wrong.
    func retrySites() {
        troubles.keep { plugin, site in deployment.sites(enabling: plugin).contains { $0.nickname == site } }
        troubles.retrySoon(at: now)
        beginTrials()
    }
}
