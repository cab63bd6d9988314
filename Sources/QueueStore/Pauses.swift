// SPDX-License-Identifier: Apache-2.0

/// A queue whose items nobody gets, of one site or (empty) of all; kept over a restart, as `paused:QUEUE:SITE` in `meta`.
package struct Pause: Hashable, Sendable {
    package var queue: String
    package var site: String

    package init(queue: String, site: String) {
        self.queue = queue
        self.site = site
    }

    private static let prefix = "paused:"
    fileprivate var key: String { "\(Self.prefix)\(queue):\(site)" }

    /// A plain queue's name may have colons in it, a site's has none.
    fileprivate init?(key: String) {
        guard key.hasPrefix(Self.prefix), let colon = key.lastIndex(of: ":") else { return nil }
        let start = key.index(key.startIndex, offsetBy: Self.prefix.count)
        guard start <= colon else { return nil }
        self.init(queue: String(key[start..<colon]), site: String(key[key.index(after: colon)...]))
    }
}

extension StoreTransaction {
    package func add(_ pause: Pause) throws(QueueStoreError) {
        let add = try HotStatement("INSERT OR REPLACE INTO meta (key, value) VALUES (?, 1)", connection)
        add.bind(1, text: pause.key)
        try add.run()
    }

    package func remove(_ pause: Pause) throws(QueueStoreError) {
        let remove = try HotStatement("DELETE FROM meta WHERE key = ?", connection)
        remove.bind(1, text: pause.key)
        try remove.run()
    }
}

extension StoreReader {
    package func pauses() throws(QueueStoreError) -> Set<Pause> {
        let all = try HotStatement("SELECT key FROM meta WHERE key GLOB 'paused:*'", connection)
        var pauses: Set<Pause> = []
        while try all.step() {
            if let pause = Pause(key: all.text(0)) { pauses.insert(pause) }
        }
        return pauses
    }
}
