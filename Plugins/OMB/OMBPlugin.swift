// SPDX-License-Identifier: Apache-2.0

import OAuth1
package import PluginKit

/// OpenMicroBlogging 0.1: notices and profile changes to the remote subscribers of a site's authors.
///
/// Stage 1 (`omb`, `profile`) stages one item per postNotice or updateProfile URL; stage 2 (`ombout`, `profileout`) signs
/// and posts it. docs/protocols/omb.md says what is sent, and what each answer means.
package struct OMBPlugin: Plugin {
    package static let identity = PluginIdentity(note: pluginNote)

    package static let configKeys = [
        ConfigKey(
            OMBConfig.timeoutKey,
            .int,
            default: "5",
            help: "Seconds that a remote site has for its answer (1-60)."
        )
    ]

    package static let queues: [ServedQueue<OMBSite>] = [
        ServedQueue("omb", takesNotices: true, maxInFlight: 4) { OMBExpand($0) },
        ServedQueue("ombout", maxInFlight: 512, timeout: .seconds(60)) { OMBDeliver($0) },
        ServedQueue("profile", maxInFlight: 4) { ProfileExpand($0) },
        ServedQueue("profileout", maxInFlight: 64, timeout: .seconds(60)) { OMBDeliver($0) },
    ]

    private let unconfirmed: Counter

    package init(host: Host) throws {
        try host.require(.http, .recipients)
        unconfirmed = host.counter(
            "omb_unconfirmed_total",
            help: "Posts that were answered with 2xx but without omb_version."
        )
    }

    package func open(_ site: Site) throws -> OMBSite {
        OMBSite(site, config: try OMBConfig(site.config), unconfirmed: unconfirmed)
    }

    package func reconfigure(_ state: OMBSite, to config: SiteConfig) throws { state.config = try OMBConfig(config) }
}

/// What the handlers of one site share.
///
/// On the host's thread, as they are.
@HostActor
package final class OMBSite {
    /// After so many posts in a row without omb_version, a target is taken for something else by now.
    nonisolated static let streakLimit = 20
    /// How long nothing more is sent to it then.
    ///
    /// It costs such a target at most a few posts per hour.
    nonisolated static let streakHold = Duration.seconds(600)

    let site: Site
    var config: OMBConfig
    private let unconfirmed: Counter
    private var streaks = UnconfirmedStreaks()
    private var nonces = Nonces()

    init(_ site: Site, config: OMBConfig, unconfirmed: Counter) {
        self.site = site
        self.config = config
        self.unconfirmed = unconfirmed
    }

    /// The settings that an item was claimed with: nearly always the newest.
    func config(for item: Item) throws -> OMBConfig {
        let source = item.config
        return source === config.source ? config : try OMBConfig(source)
    }

    /// A number that no other request of this site has.
    func makeNonce() -> [UInt8] { nonces.next() }

    /// A target has answered as an OMB server does.
    func confirm(_ target: String) { streaks.reset(target) }

    /// A target has taken a post without saying that it speaks OMB: delivered, as a repeat would be a duplicate there.
    ///
    /// Many in a row hold its lane, as a parked domain answers 200 to everything for ever.
    func acceptUnconfirmed(_ target: String) -> Outcome {
        unconfirmed.add(1, site)
        let streak = streaks.count(target)
        guard streak >= Self.streakLimit else { return .done }
        var outcome = Outcome.done.holding(for: Self.streakHold)
        outcome.text = "\(streak) answers in a row without omb_version: is this still an OMB server?"
        return outcome
    }
}
