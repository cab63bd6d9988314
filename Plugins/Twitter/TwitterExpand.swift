// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// Stage 1: one item of `twitterout` per account of the author, or per status of a notice that is deleted.
@HostActor
struct TwitterExpand: Handler {
    /// An author has one or two; the host's limit is for those of all sites.
    private static let pageSize = 500

    private let state: TwitterSite

    init(_ state: TwitterSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        let frame = item.frame
        if let json = try? JSON(parsing: frame), let uri = json["delete"]?.string { return try await delete(uri, item) }
        let notice = try Notice(parsing: frame)
        // What came from there never goes back.
        guard notice.goesToRemoteTargets, notice.source?.lowercased() != "twitter" else { return .done }
        let config = try state.config(for: item)
        let page = try await state.site.recipients.page(
            of: notice.author.uri,
            after: item.cursor,
            limit: Self.pageSize,
            for: item
        )
        var items: [NewItem] = []
        for row in page.rows where AccountOptions(row.options).sends && items.last?.target != row.target {
            items.append(Self.item(row.target, dedupeKey: "\(row.target) \(notice.uri)"))
        }
        if !items.isEmpty { try item.stage(items, shared: TwitterJob(notice, maxLength: config.maxLength).bytes) }
        guard let next = page.next else { return .done }
        return .continue(cursor: next)
    }

    /// Statuses whose posting waits need nothing here: hostd drops them before the frame comes.
    ///
    /// One that is being posted has no id yet: its account's order brings the job behind it.
    private func delete(_ uri: String, _ item: Item) async throws -> Outcome {
        for entry in try await state.statuses.entries(of: uri) {
            let job = TwitterJob(notice: uri, author: entry.author, .delete(id: entry.id, isRepeat: entry.isRepeat))
            try item.stage(
                [Self.item(entry.account, dedupeKey: "delete \(entry.account) \(entry.id ?? "") \(uri)")],
                shared: job.bytes
            )
        }
        return .done
    }

    private static func item(_ account: String, dedupeKey: String) -> NewItem {
        NewItem(queue: "twitterout", payload: Array(account.utf8), target: account, dedupeKey: dedupeKey)
    }
}
