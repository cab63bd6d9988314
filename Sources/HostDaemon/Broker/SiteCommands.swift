// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import QueueCore
import QueueStore

// What a site that was removed from the configuration left behind.
extension BrokerCommands {
    /// `site.drop`: discards what waits of a site that isn't configured; with `dry_run` only counts it.
    func siteDrop(_ request: ControlRequest) {
        guard let site = request.arguments["site"]?.string, !site.isEmpty else {
            return reply(ControlReply(id: request.id, error: "which site? give its nickname"))
        }
        if let there = core.directory.site(site) {
            let error =
                "site \(there.nickname) is configured: remove its file from sites_dir and run queuectl update -s "
            return reply(ControlReply(id: request.id, error: error + "\(there.nickname), then drop it"))
        }
        let inFlight = core.dispatcher.lines.values.reduce(0) { sum, line in
            line.sources.values.reduce(sum) { core.dispatcher.names[$1.site] == site ? $0 + $1.claimed : $0 }
        }
        guard inFlight == 0 else {
            let items = inFlight == 1 ? "1 item is" : "\(inFlight) items are"
            return reply(ControlReply(id: request.id, error: "\(items) still in flight: try again in a moment"))
        }
        core.dispatcher.flushWrites()
        let me = NIOLoopBound((self, request), eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.counts(ofSite: site)
        } completion: { result in
            let (commands, request) = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let counts):
                guard request.arguments["dry_run"]?.bool != true else {
                    return commands.answerDrop(request, counts.waiting, dead: counts.dead)
                }
                commands.dropPage(request, site, done: 0, dead: counts.dead)
            }
        }
    }

    /// Page after page, so that a million items hold up nobody.
    private func dropPage(_ request: ControlRequest, _ site: String, done: Int64, dead: Int64) {
        guard core.directory.site(site) == nil else {
            let error = "site \(site) came back meanwhile: \(done) items were dropped, the rest stays"
            return reply(ControlReply(id: request.id, error: error))
        }
        let now = core.clock.wallMs
        let me = NIOLoopBound((self, request), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.dropWaiting(
                site: site,
                text: "its site was removed, and its items were dropped by an operator",
                limit: Self.page,
                nowMs: now
            )
        } completion: { result in
            let (commands, request) = me.value
            switch result {
            case .failure(let error): commands.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let dropped) where dropped.isEmpty:
                if let id = commands.core.dispatcher.ids[site] { commands.core.dispatcher.purge(site: id) }
                commands.answerDrop(request, done, dead: dead)
            case .success(let dropped):
                commands.core.dispatcher.skip(dropped)
                commands.dropPage(request, site, done: done + Int64(dropped.count), dead: dead)
            }
        }
    }

    private func answerDrop(_ request: ControlRequest, _ count: Int64, dead: Int64) {
        let members = ["count": JSONValue(count), "dead": JSONValue(dead)]
        reply(ControlReply(id: request.id, result: .object(members)))
    }
}
