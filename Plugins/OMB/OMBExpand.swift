// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit

/// Stage 1 of a notice: one item of `ombout` per postNotice URL of the author's subscribers, a page at a time.
@HostActor
struct OMBExpand: Handler {
    private let state: OMBSite

    init(_ state: OMBSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        let notice = try Notice(parsing: item.frame)
        guard notice.goesToRemoteTargets else { return .done }
        let shared = OMBMessage(author: notice.author.uri, PostNotice.form(of: notice)).bytes
        return try await state.stagePage(of: notice.author.uri, for: item, shared: shared) { recipient in
            let url = recipient.target
            var new = NewItem(queue: "ombout", payload: [UInt8](url.utf8), target: OMBTarget.withoutUser(url))
            // "SHOULD NOT send a message with the same notice URL to the same postNotice URL more than once" (OMB 0.1).
            new.dedupeKey = "\(url) \(notice.uri)"
            return new
        }
    }
}

/// Stage 1 of a changed profile: one item of `profileout` per updateProfile URL.
@HostActor
struct ProfileExpand: Handler {
    private let state: OMBSite

    init(_ state: OMBSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        let author = try Author(parsingProfile: item.frame)
        let form = UpdateProfile.form(of: author)
        let hash = String(UpdateProfile.hash(of: form), radix: 16)
        let shared = OMBMessage(author: author.uri, form).bytes
        return try await state.stagePage(of: author.uri, for: item, shared: shared) { recipient in
            // Subscriptions don't have to name an updateProfile URL; those that don't get no profile changes.
            guard let url = UpdateProfile.url(for: recipient) else { return nil }
            let target = OMBTarget(url: url, recipient: recipient.target)
            var new = NewItem(queue: "profileout", payload: target.bytes, target: OMBTarget.withoutUser(url))
            new.dedupeKey = "\(url) \(author.uri) \(hash)"
            return new
        }
    }
}

extension OMBSite {
    /// Rows per page: a chunk that the host commits in one transaction.
    private static let pageSize = 1000

    /// Stages an item for each target in the next page of the author's recipients: one, however many tokens it has.
    fileprivate func stagePage(
        of author: String,
        for item: Item,
        shared: [UInt8],
        _ make: (Recipient) -> NewItem?
    ) async throws -> Outcome {
        let page = try await site.recipients.page(of: author, after: item.cursor, limit: Self.pageSize, for: item)
        var items: [NewItem] = []
        items.reserveCapacity(page.rows.count)
        var last: Recipient?
        for row in page.rows {
            // The rows of a target stand together; where a notice's own list doesn't do so, the dedupe key does the rest.
            if let last, row.hasSameTarget(as: last) { continue }
            last = row
            if let new = make(row) { items.append(new) }
        }
        try item.stage(items, shared: shared)
        guard let next = page.next else { return .done }
        return .continue(cursor: next)
    }
}
