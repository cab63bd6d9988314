// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import PluginHost
import QueueCore

/// Keeps a plugin's sites as the configuration wants them: opens, reconfigures, drains and closes them, and tries those
/// that failed again.
///
/// One site's trouble is no other's. Confined to the worker's loop.
final class SiteKeeper {
    private static let retryDelay = TimeAmount.seconds(30)
    /// For a site that was taken out of the configuration while the worker goes on.
    private static let drainTime = TimeAmount.seconds(30)

    private let instance: PluginInstance
    private let port: any BrokerPort
    private let note: OpeningNote
    private let logger: Logger
    /// nil = open again.
    private let report: (SiteName, String?) -> Void
    private var wanted: [SiteName: SiteSettings] = [:]
    private var failed: Set<SiteName> = []
    /// Not to be opened: that ended a worker.
    private var shut: Set<SiteName> = []
    private var retry: Scheduled<Void>?
    private var isEnding = false

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
        self.shut = Set(shut)
        let next = Dictionary(sites.map { ($0.nickname, $0) }) { $1 }
        let gone = wanted.keys.filter { next[$0] == nil }
        wanted = next
        for site in gone { close(site) }
        for settings in sites { bring(settings) }
    }

    /// Drains and closes all; `done` runs after the last.
    func drainAll(within time: TimeAmount, done: @escaping () -> Void) {
        isEnding = true
        wanted = [:]
        retry?.cancel()
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

    private func bring(_ settings: SiteSettings) {
        let site = settings.nickname
        guard instance.siteNames.contains(site) else {
            open(settings)
            return
        }
        do throws(PluginHostError) {
            if try !instance.reconfigure(settings) { reopen(site) }
        } catch {
            logger.error("\(error)")
            report(site, "\(error)")
        }
    }

    private func open(_ settings: SiteSettings) {
        let site = settings.nickname
        guard !shut.contains(site) else {
            // The supervisor knows why, and when to try again.
            if failed.insert(site).inserted { port.refuse([site]) }
            return
        }
        note.set(site)
        defer { note.set(nil) }
        do throws(PluginHostError) {
            try instance.open(settings)
            if failed.remove(site) != nil {
                port.accept([site])
                report(site, nil)
            }
        } catch {
            logger.error("\(error)", metadata: ["retry_in": "\(Self.retryDelay.nanoseconds / 1_000_000_000) s"])
            if failed.insert(site).inserted { port.refuse([site]) }
            report(site, "\(error)")
            retryLater()
        }
    }

    /// The plugin can't change an open site: close it, then open it with what is wanted by then.
    private func reopen(_ site: SiteName) {
        port.refuse([site])
        instance.drain(site, within: Self.drainTime) {
            guard !self.isEnding, let settings = self.wanted[site] else { return }
            self.failed.insert(site)
            self.open(settings)
        }
    }

    private func close(_ site: SiteName) {
        failed.remove(site)
        port.refuse([site])
        instance.drain(site, within: Self.drainTime) {
            guard !self.isEnding else { return }
            // It may have come back meanwhile; if not, and it comes back later, it is wanted then.
            self.failed.insert(site)
            if let settings = self.wanted[site] { self.open(settings) }
        }
    }

    private func retryLater() {
        guard retry == nil, !isEnding else { return }
        retry = instance.loop.assumeIsolated().scheduleTask(in: Self.retryDelay) {
            self.retry = nil
            for site in self.failed.sorted() {
                if let settings = self.wanted[site] { self.open(settings) }
            }
        }
    }
}
