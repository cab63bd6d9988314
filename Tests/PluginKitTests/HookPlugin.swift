// SPDX-License-Identifier: Apache-2.0

import PluginKit

// The plugin of docs/plugins.md, line by line: what a newcomer copies is compiled and tested here.

struct HookPlugin: Plugin {
    static let identity = PluginIdentity(id: "org.example.hook", version: "1.0.0")
    static let queues: [ServedQueue<Site>] = [
        ServedQueue("hook", takesNotices: true) { HookExpand(site: $0) },
        ServedQueue("hookout", maxInFlight: 64, timeout: .seconds(30)) { HookDeliver(site: $0) },
    ]

    init(host: Host) throws { try host.require(.http, .recipients) }
}

/// Stage 1: finds the recipients, stages one item for each.
struct HookExpand: Handler {
    let site: Site

    func handle(_ item: Item) async throws -> Outcome {
        let notice = try Notice(parsing: item.frame)
        guard notice.goesToRemoteTargets else { return .done }
        let page = try await site.recipients.page(of: notice.author.uri, after: item.cursor, limit: 500, for: item)
        let items = page.rows.map { row in
            NewItem(
                queue: "hookout",
                payload: Array(row.target.utf8),
                target: row.target,
                dedupeKey: "\(row.target) \(notice.uri)"
            )
        }
        try item.stage(items, shared: notice.frame.bytes)
        guard let next = page.next else { return .done }
        return .continue(cursor: next)
    }
}

/// Stage 2: delivers to one target.
struct HookDeliver: Handler {
    let site: Site

    func handle(_ item: Item) async throws -> Outcome {
        let url = String(decoding: item.payload, as: UTF8.self)
        let response = try await site.http.send(
            HTTPRequest("POST", url, headers: [("Content-Type", "application/json")], body: item.shared)
        )
        switch response.status {
        case 200..<300: return .done
        case 404, 410: return .discard(.gone, "HTTP \(response.status)")
        case 400..<500: return .discard(.rejected, "HTTP \(response.status)")
        default: return .retry(after: response.retryAfter, reason: .remote, "HTTP \(response.status)")
        }
    }
}
