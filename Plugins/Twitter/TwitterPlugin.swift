// SPDX-License-Identifier: Apache-2.0

import OAuth1
package import PluginKit

/// Twitter (X): notices to the accounts of a site's authors, and their home timelines to the site.
///
/// Stage 1 (`twitter`) stages one item per account; stage 2 (`twitterout`) posts, repeats or deletes a status. What is
/// imported comes out in `tweetin` and `twitterfriends`. docs/protocols/twitter.md says what is sent, and what each
/// answer means.
package struct TwitterPlugin: Plugin {
    package static let identity = PluginIdentity(note: pluginNote)
    package static let configKeys = TwitterConfig.keys
    package static let outputs = [ImportQueue.statuses, ImportQueue.friends]

    package static let queues: [ServedQueue<TwitterSite>] = [
        ServedQueue("twitter", takesNotices: true, takesDeletes: true, maxInFlight: 4) { TwitterExpand($0) },
        // Ordered: an answer must find its parent's status in the map, and one account's token is refreshed once.
        ServedQueue("twitterout", isOrdered: true, maxInFlight: 64, timeout: .seconds(300)) { TwitterDeliver($0) },
        // One worker per site: the one that polls.
        ServedQueue(ImportQueue.requests, isSingleton: true, timeout: .seconds(300)) { TwitterImport($0) },
    ]

    private let stopped: Counter
    private let imported: Counter

    package init(host: Host) throws {
        try host.require(.http, .recipients, .values, .loop)
        stopped = host.counter(
            "twitter_accounts_refused_total",
            help: "Answers that say that an account's user has to do something."
        )
        imported = host.counter("twitter_imported_total", help: "Statuses that were imported.")
    }

    package func open(_ site: Site) throws -> TwitterSite {
        let state = TwitterSite(site, config: try TwitterConfig(site.config), stopped: stopped, imported: imported)
        try state.importer.start()
        return state
    }

    package func reconfigure(_ state: TwitterSite, to config: SiteConfig) throws {
        state.config = try TwitterConfig(config)
    }

    package func drain(_ state: TwitterSite) async { state.importer.stop() }

    package func close(_ state: TwitterSite) { state.importer.stop() }
}

/// What the handlers of one site share.
///
/// On the host's thread, as they are.
@HostActor
package final class TwitterSite {
    /// How long an account whose credentials aren't accepted rests between two tries.
    nonisolated static let shutRest = Duration.seconds(3600)

    let site: Site
    var config: TwitterConfig
    let statuses: StatusMap
    let tokens: TokenStore
    private let stopped: Counter
    private let imported: Counter
    private var nonces = Nonces()
    /// Twitter's clock less ours: milliseconds.
    private var clockOffset: Int64 = 0
    private(set) lazy var importer = Importer(self)

    init(_ site: Site, config: TwitterConfig, stopped: Counter, imported: Counter) {
        self.site = site
        self.config = config
        self.stopped = stopped
        self.imported = imported
        statuses = StatusMap(values: site.values)
        tokens = TokenStore(values: site.values)
    }

    /// The settings that an item was claimed with: nearly always the newest.
    func config(for item: Item) throws -> TwitterConfig {
        let source = item.config
        return source === config.source ? config : try TwitterConfig(source)
    }

    /// A number that no other request of this site has.
    func makeNonce() -> [UInt8] { nonces.next() }

    /// The time as Twitter sees it.
    var twitterNow: UnixTime { UnixTime(milliseconds: site.host.now.milliseconds + clockOffset) }

    /// Takes Twitter's word for what time it is.
    func setClock(by time: UnixTime) {
        clockOffset = time.milliseconds - site.host.now.milliseconds
        site.log.warning(
            "Twitter says that this machine's clock is wrong; its own time is used from now on",
            ["off_by_s": "\(-clockOffset / 1000)"]
        )
    }

    /// Tells the operator that somebody has to do something for an account.
    func tellStopped(_ account: String, _ text: String, _ log: Log) {
        stopped.add(1, site)
        log.warning("an account of Twitter's is held", ["account": account, "reason": text])
    }

    func countImported(_ count: Int) { imported.add(Double(count), site) }

    /// The account's circuit is open: its items wait, and the reason is the lane's.
    nonisolated static func shut(_ text: String) -> Outcome {
        let advice = "; its user has to connect the account again"
        return Outcome.defer(for: shutRest, reason: .auth, text + advice).holding(for: shutRest)
    }
}
