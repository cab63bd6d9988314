// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import FoundationEssentials
import NIOHTTP1

/// Which request follows a redirect (RFC 9110, 15.4), and whether its host is to be guarded.
struct HTTPRedirects {
    private static let most = 5
    private static let statuses: Set<UInt> = [301, 302, 303, 307, 308]

    let allowPrivate: Bool
    /// The operator named it; what it redirects to, nobody did.
    let trustedHost: String?
    private var followed = 0

    init(allowPrivate: Bool, trustedHost: String?) {
        self.allowPrivate = allowPrivate
        self.trustedHost = trustedHost
    }

    /// nil where the response is the answer: no redirect, one too many, or one that leads nowhere.
    mutating func next(after request: HTTPClient.Request, _ head: HTTPResponseHead) -> HTTPClient.Request? {
        guard Self.statuses.contains(head.status.code), followed < Self.most,
            let location = head.headers.first(name: "location"),
            let url = URL(string: location, relativeTo: request.url)?.absoluteURL, url.scheme != nil
        else { return nil }
        followed += 1
        // 303 always, 301 and 302 by old habit: what was a POST becomes a GET.
        let becomesGet =
            head.status == .seeOther && request.method != .HEAD
            || (head.status == .movedPermanently || head.status == .found) && request.method == .POST
        var headers = request.headers
        if becomesGet {
            for name in headers.map(\.name) where name.lowercased().hasPrefix("content-") { headers.remove(name: name) }
        }
        headers.remove(name: "host")
        if url.host != request.url.host || url.scheme != request.url.scheme || url.port != request.url.port {
            // Secrets are for the host that they were given to.
            for name in ["authorization", "cookie", "proxy-authorization"] { headers.remove(name: name) }
        }
        return try? HTTPClient.Request(
            url: url,
            method: becomesGet ? .GET : request.method,
            headers: headers,
            body: becomesGet ? nil : request.body
        )
    }

    func isGuarded(_ request: HTTPClient.Request) -> Bool {
        !allowPrivate && request.host != trustedHost
    }
}
