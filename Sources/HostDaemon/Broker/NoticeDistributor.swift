// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Logging
import NIOCore
import QueueCore
import QueueStore

/// How a notice is called: its number on its site, and its URI.
struct NoticeIdentity: Sendable {
    var number: String
    var uri: String

    /// nil where the frame is no JSON object with a URI.
    init?(_ frame: [UInt8]) {
        guard let object = NoticeFrame.object(frame), let identity = NoticeFrame.identity(object) else { return nil }
        self = identity
    }

    init(number: String, uri: String) {
        self.number = number
        self.uri = uri
    }
}

/// What a frame of the queue `notice` asks for.
enum NoticeFrame: Sendable {
    case distribute(NoticeIdentity)
    case delete(uri: String)
    /// A sentence that names what is wrong.
    case bad(String)

    init(_ frame: [UInt8]) {
        guard let object = Self.object(frame) else {
            self = .bad("the frame isn't a JSON object")
            return
        }
        if let uri = object["delete"] {
            guard let uri = uri as? String, !uri.isEmpty else {
                self = .bad("\"delete\" must be the notice's URI, as a string")
                return
            }
            self = .delete(uri: uri)
            return
        }
        guard let identity = Self.identity(object) else {
            self = .bad("the notice lacks \"uri\" (or, in the ActivityStreams form, the object's \"id\")")
            return
        }
        let isActivity = object["type"] as? String == "Create"
        let note = isActivity ? object["object"] as? [String: Any] ?? [:] : object
        guard note["content"] is String else {
            self = .bad("the notice lacks \"content\"")
            return
        }
        let hasAuthor =
            isActivity
            ? object["actor"] != nil || note["attributedTo"] != nil
            : (object["author"] as? [String: Any])?["uri"] is String
        guard hasAuthor else {
            self = .bad("the notice lacks \"author\" with a \"uri\" (or, in the ActivityStreams form, \"actor\")")
            return
        }
        self = .distribute(identity)
    }

    static func object(_ frame: [UInt8]) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(frame))) as? [String: Any]
    }

    static func identity(_ object: [String: Any]) -> NoticeIdentity? {
        if object["type"] as? String == "Create", let note = object["object"] as? [String: Any] {
            guard let uri = note["id"] as? String, !uri.isEmpty else { return nil }
            return NoticeIdentity(number: uri.split(separator: "/").last.map(String.init) ?? uri, uri: uri)
        }
        guard let uri = object["uri"] as? String, !uri.isEmpty else { return nil }
        let number: String
        switch object["id"] {
        case let text as String: number = text
        case let value as NSNumber: number = value.stringValue
        default: number = uri
        }
        return NoticeIdentity(number: number, uri: uri)
    }
}

/// Serves the queue `notice`: one transaction takes the notice off and puts it on the stage-1 queue of every plugin
/// that its site enables for notices (docs/decisions/0005).
///
/// Confined to the broker's loop.
final class NoticeDistributor: Consumer {
    private static let atOnce = 64

    private unowned let core: BrokerCore
    private var inFlight = 0
    var isHunting = false

    init(_ core: BrokerCore) { self.core = core }

    func room(in line: QueueLine) -> Int { Self.atOnce - inFlight }
    func takes(site: NameID) -> Bool { true }
    var isIdle: Bool { inFlight == 0 }
    func flush() {}

    func take(_ item: ActiveItem) {
        inFlight += 1
        let row = item.row
        let siteName = core.dispatcher.names[row.site] ?? ""
        // nil: its site was removed since.
        let templates = core.directory.site(siteName).map { site in
            core.directory.noticeQueues(of: site.nickname).map {
                core.own(site: siteName, queue: $0.rawValue, payload: [], nowMs: row.enqueuedMs)
            }
        }
        let now = core.clock.wallMs
        let steady = core.clock.steadyMs
        let counts = item.counts
        let since = now - core.configuration.dedupeWindowMs
        let me = NIOLoopBound((self, item), eventLoop: core.loop)
        core.store.write(as: .intake) { (transaction) throws(QueueStoreError) in
            var stored = StoredItems()
            var dropped: [DroppedItem] = []
            guard let templates else {
                try transaction.bury(
                    row.id,
                    reason: .unknownSite,
                    text: "the site \"\(siteName)\" was removed: add it to sites_dir, then requeue",
                    counts: counts,
                    isKept: true,
                    nowMs: now
                )
                return (stored, dropped, true)
            }
            switch NoticeFrame(row.payload) {
            case .bad(let text):
                try transaction.bury(row.id, reason: .badFrame, text: text, counts: counts, isKept: true, nowMs: now)
                return (stored, dropped, true)
            case .delete(let uri):
                dropped = try transaction.dropNotice(site: siteName, uri: uri, nowMs: now)
            case .distribute(let identity):
                let notice = try transaction.notice(
                    site: siteName,
                    number: identity.number,
                    uri: identity.uri,
                    nowMs: now
                )
                for var item in templates {
                    item.payload = row.payload
                    item.notice = notice
                    item.priority = row.rank.priority
                    item.expiresMs = row.expiresMs
                    try stored.add(item, transaction, nowMs: steady, dedupeSince: since)
                }
            }
            try transaction.finish(row.id, nowMs: now)
            return (stored, dropped, false)
        } completion: { result in
            let (distributor, item) = me.value
            distributor.ended(item, result)
        }
    }

    private func ended(_ item: ActiveItem, _ result: Result<(StoredItems, [DroppedItem], Bool), QueueStoreError>) {
        inFlight -= 1
        let dispatcher = core.dispatcher
        switch result {
        case .failure(let error):
            dispatcher.endClaim(item, succeeded: false)
            core.log.error(
                "a notice could not be distributed; tried again in a second",
                metadata: ["error": "\(error)"]
            )
            dispatcher.retryLater { $0.giveBack(item) }
        case .success(let (stored, dropped, isBad)):
            dispatcher.endClaim(item, succeeded: true)
            dispatcher.count(item, isBad ? "dead" : "done")
            core.arrived(stored)
            dispatcher.skip(dropped)
        }
    }
}
