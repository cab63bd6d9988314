// SPDX-License-Identifier: Apache-2.0

/// What an operator paused or resumed: a queue, of one site or (empty) of all; a site's own goes before the queue's.
///
/// Kept over a restart as `paused:QUEUE:SITE` in `meta`: 1 paused, 0 an exception from the queue's pause.
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
    /// nil: nothing is said of it any more.
    package func set(_ pause: Pause, isPaused: Bool?) throws(QueueStoreError) {
        guard let isPaused else {
            let remove = try HotStatement("DELETE FROM meta WHERE key = ?", connection)
            remove.bind(1, text: pause.key)
            try remove.run()
            return
        }
        let set = try HotStatement("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", connection)
        set.bind(1, text: pause.key)
        set.bind(2, isPaused ? 1 : 0)
        try set.run()
    }
}

extension StoreReader {
    package func pauses() throws(QueueStoreError) -> [Pause: Bool] {
        let all = try HotStatement("SELECT key, value FROM meta WHERE key GLOB 'paused:*'", connection)
        var pauses: [Pause: Bool] = [:]
        while try all.step() {
            if let pause = Pause(key: all.text(0)) { pauses[pause] = all.int(1) != 0 }
        }
        return pauses
    }
}
