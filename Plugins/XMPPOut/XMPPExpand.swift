// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// Stage 1 of a notice: one item of `xmppout` per contact, a page at a time.
@HostActor
struct XMPPExpand: Handler {
    enum Audience {
        /// The author's contacts.
        case contacts
        /// The firehose: the addresses of the site's configuration, and the recipients of the site itself.
        case firehose
    }

    /// Rows per page: a chunk that the host commits in one transaction.
    private static let pageSize = 1000

    private let state: XMPPSite
    private let audience: Audience

    init(_ state: XMPPSite, _ audience: Audience) {
        self.state = state
        self.audience = audience
    }

    func handle(_ item: Item) async throws -> Outcome {
        let notice = try Notice(parsing: item.frame)
        let isWanted = audience == .contacts ? notice.goesToRemoteTargets : notice.goesToFirehose
        guard isWanted else { return .done }
        let site = state.site
        let author = audience == .contacts ? notice.author.uri : site.config.root
        let cursor = item.cursor
        let page = try await site.recipients.page(of: author, after: cursor, limit: Self.pageSize, for: item)
        var contacts = page.rows.map(\.target)
        if audience == .firehose, cursor.isEmpty { contacts += state.config.firehose.map(\.bare) }
        var items: [NewItem] = []
        items.reserveCapacity(contacts.count)
        for contact in contacts {
            guard let address = JID(contact) else {
                item.log.warning("a recipient isn't an address in XMPP", ["recipient": contact])
                continue
            }
            items.append(Self.item(address, key: "\(address.bare) \(notice.uri)"))
        }
        try item.stage(items, shared: StanzaText.notice(notice))
        guard let next = page.next else { return .done }
        return .continue(cursor: next)
    }

    /// Both queues have the same keys: who is in both gets a notice once.
    static func item(_ contact: JID, key: String = "") -> NewItem {
        NewItem(queue: "xmppout", payload: Array(contact.bare.utf8), target: contact.bare, dedupeKey: key)
    }
}

/// A message from the application to one contact, as a confirmation code: `{"to": JID, "body": ...}`.
@HostActor
struct XMPPConfirm: Handler {
    func handle(_ item: Item) async throws -> Outcome {
        let frame: JSON
        do { frame = try JSON(parsing: item.frame) } catch { throw FrameError(error.description) }
        guard let to = frame["to"]?.string.flatMap({ JID($0) }) else {
            throw FrameError("member \"to\": expected an address, as alice@example.org")
        }
        guard let body = frame["body"]?.string, !body.isEmpty else {
            throw FrameError("member \"body\": expected a text")
        }
        try item.stage([XMPPExpand.item(to)], shared: StanzaText.plain(body))
        return .done
    }
}
