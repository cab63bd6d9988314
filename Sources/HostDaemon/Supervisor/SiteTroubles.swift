// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// Sites whose opening ended a worker of a plugin: that plugin's workers leave them shut, so that its other sites run on.
///
/// Each is tried again now and then, later each time, by the plugin's hunter: a death there costs nobody anything. Pure.
struct SiteTroubles: Codable, Equatable {
    struct Trouble: Codable, Equatable {
        var reason: String
        /// Openings that ended a worker, those of workers that started together counted once.
        var deaths: Int
        var retryAt: Duration
        /// A worker may open it now, to see.
        var isOnTrial = false
    }

    static let firstRetry = Duration.seconds(5)
    static let longestRetry = Duration.seconds(3600)

    private var troubles: [PluginName: [SiteName: Trouble]] = [:]

    /// A worker ended while its plugin opened this site; returns how long the site is left alone.
    @discardableResult
    mutating func died(opening site: SiteName, of plugin: PluginName, reason: String, at now: Duration) -> Duration {
        var trouble = troubles[plugin]?[site] ?? Trouble(reason: reason, deaths: 0, retryAt: now)
        // Workers that started together die together.
        if trouble.isOnTrial || trouble.retryAt <= now {
            trouble.deaths += 1
            trouble.retryAt = now + min(Self.firstRetry * (1 << min(trouble.deaths - 1, 12)), Self.longestRetry)
        }
        trouble.reason = reason
        trouble.isOnTrial = false
        troubles[plugin, default: [:]][site] = trouble
        return trouble.retryAt - now
    }

    /// Puts sites on trial whose time has come.
    ///
    /// False: there are none.
    mutating func beginTrials(of plugin: PluginName, at now: Duration) -> Bool {
        var hasSome = false
        for (site, trouble) in troubles[plugin] ?? [:] where !trouble.isOnTrial && trouble.retryAt <= now {
            troubles[plugin]?[site]?.isOnTrial = true
            hasSome = true
        }
        return hasSome
    }

    /// Sites on trial could be opened, or were refused in good order: they are sites like any other.
    ///
    /// False: there were none.
    mutating func endTrials(of plugin: PluginName) -> Bool {
        guard let all = troubles[plugin], all.values.contains(where: \.isOnTrial) else { return false }
        troubles[plugin] = all.filter { !$0.value.isOnTrial }
        return true
    }

    /// Something was changed that may have mended them: all may be tried now.
    mutating func retrySoon(at now: Duration) {
        for (plugin, all) in troubles {
            for site in all.keys { troubles[plugin]?[site]?.retryAt = now }
        }
    }

    /// Forgets those that the configuration hasn't got any more.
    mutating func keep(_ isWanted: (PluginName, SiteName) -> Bool) {
        for (plugin, all) in troubles { troubles[plugin] = all.filter { isWanted(plugin, $0.key) } }
    }

    /// Sorted; `withTrials`: also those that are on trial, for workers that don't try them.
    func shutSites(of plugin: PluginName, withTrials: Bool) -> [SiteName] {
        (troubles[plugin] ?? [:]).filter { withTrials || !$0.value.isOnTrial }.keys.sorted()
    }

    /// Why a site is shut; nil: it isn't.
    func reason(of site: SiteName) -> String? {
        troubles.sorted { $0.key < $1.key }.lazy.compactMap { $0.value[site]?.reason }.first
    }

    /// As they are where nobody is at the trials.
    var untried: SiteTroubles {
        var all = self
        all.troubles = troubles.mapValues { sites in
            sites.mapValues { trouble in
                var trouble = trouble
                trouble.isOnTrial = false
                return trouble
            }
        }
        return all
    }

    var plugins: [PluginName] { troubles.filter { !$0.value.isEmpty }.keys.sorted() }
}
