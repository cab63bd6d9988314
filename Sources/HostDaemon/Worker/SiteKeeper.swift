// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import PluginHost
import QueueCore

/// Keeps a plugin's sites as the configuration wants them: opens, reconfigures, drains and closes them, and tries those
/// that failed again.
///
/// One site's trouble is no other's. What each site needs next is `SitePlan`'s to say. Confined to the worker's loop.
final class SiteKeeper {
    private static let retryDelay = TimeAmount.seconds(30)
    /// For a site that was taken out of the configuration, or has to be opened anew, while the worker goes on.
    private static let drainTime = TimeAmount.seconds(30)

    private let instance: PluginInstance
    private let port: any BrokerPort
    private let note: OpeningNote
    private let logger: Logger
    /// nil = all is well (again).
    private let report: (SiteName, String?) -> Void
    private var plans: [SiteName: SitePlan] = [:]
    /// Not to be opened: that ended a worker.
    private var shut: Set<SiteName> = []
    /// What the broker was told not to send.
    private var refused: Set<SiteName> = []
    /// Sites whose trouble was reported.
    private var troubled: Set<SiteName> = []
    private var retry: Scheduled<Void>?
    private var isEnding = false
    private var waiting: [() -> Void] = []

    init(
        _ instance: PluginInstance,
        _ port: any BrokerPort,
        _ note: OpeningNote,
        _ logger: Logger,
        report: @escaping (SiteName, String?) -> Void
    ) {
        self.instance = instance
        self.port = port
        self.note = note
        self.logger = logger
        self.report = report
    }

    /// Brings the plugin's sites to what is wanted from now on; those of `shut` that aren't open stay so.
    func apply(_ sites: [SiteSettings], shut: [SiteName] = []) {
        let wasShut = self.shut
        self.shut = Set(shut)
        let wanted = Set(sites.map(\.nickname))
        change(sites, removed: plans.keys.filter { !wanted.contains($0) }.sorted())
        for site in wasShut.subtracting(self.shut).sorted() where plans[site] != nil { feed(.retry, to: site) }
    }

    /// All other sites stay as they are.
    func change(_ changed: [SiteSettings], removed: [SiteName]) {
        for site in removed { feed(.unwanted, to: site) }
        for settings in changed { feed(.wanted(settings), to: settings.nickname) }
    }

    /// Runs `work` once no site is being closed or opened anew: now, if so.
    func whenSettled(_ work: @escaping () -> Void) {
        waiting.append(work)
        answerIfSettled()
    }

    /// Drains and closes all; `done` runs after the last.
    func drainAll(within time: TimeAmount, done: @escaping () -> Void) {
        isEnding = true
        plans = [:]
        retry?.cancel()
        answerIfSettled()
        let sites = instance.siteNames
        var open = sites.count
        guard open > 0 else {
            done()
            return
        }
        for site in sites {
            instance.drain(site, within: time) {
                open -= 1
                if open == 0 { done() }
            }
        }
    }

    private func feed(_ input: SitePlan.Input, to site: SiteName) {
        guard !isEnding else { return }
        let action = plans[site, default: SitePlan()].handle(input)
        perform(action, site)
        if plans[site]?.isForgotten == true { plans[site] = nil }
        answerIfSettled()
    }

    private func perform(_ action: SitePlan.Action, _ site: SiteName) {
        switch action {
        case .none: break
        case .open(let settings): open(settings)
        case .reconfigure(let settings): reconfigure(settings)
        case .close: close(site)
        case .forget: tell(site, nil)
        }
    }

    private func open(_ settings: SiteSettings) {
        let site = settings.nickname
        guard !shut.contains(site) else {
            // The supervisor knows why, and when to try again.
            refuse(site)
            return feed(.failed, to: site)
        }
        note.set(site)
        defer { note.set(nil) }
        do throws(PluginHostError) {
            try instance.open(settings)
            tell(site, nil)
            if refused.remove(site) != nil { port.accept([site]) }
        } catch {
            logger.error("\(error)", metadata: ["retry_in": "\(Self.retryDelay.nanoseconds / 1_000_000_000) s"])
            refuse(site)
            tell(site, "\(error)")
            feed(.failed, to: site)
            retryLater()
        }
    }

    /// A plugin that refuses the new settings goes on with the old ones, and says so.
    private func reconfigure(_ settings: SiteSettings) {
        let site = settings.nickname
        do throws(PluginHostError) {
            guard try instance.reconfigure(settings) else { return feed(.cannotReconfigure, to: site) }
            tell(site, nil)
        } catch {
            logger.error("\(error)")
            tell(site, "\(error)")
        }
    }

    private func close(_ site: SiteName) {
        refuse(site)
        instance.drain(site, within: Self.drainTime) { self.feed(.closed, to: site) }
    }

    private func refuse(_ site: SiteName) {
        if refused.insert(site).inserted { port.refuse([site]) }
    }

    private func tell(_ site: SiteName, _ error: String?) {
        if let error {
            troubled.insert(site)
            report(site, error)
        } else if troubled.remove(site) != nil {
            report(site, nil)
        }
    }

    private func answerIfSettled() {
        guard !waiting.isEmpty, isEnding || !plans.values.contains(where: \.isClosing) else { return }
        let all = waiting
        waiting = []
        for work in all { work() }
    }

    private func retryLater() {
        guard retry == nil, !isEnding else { return }
        retry = instance.loop.assumeIsolated().scheduleTask(in: Self.retryDelay) {
            self.retry = nil
            for site in self.plans.keys.sorted() { self.feed(.retry, to: site) }
        }
    }
}
