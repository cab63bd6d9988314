// SPDX-License-Identifier: Apache-2.0

/// Counts, per target, posts in a row that were answered without omb_version.
///
/// Bounded: forgets the targets that were quiet for longest, by halves.
struct UnconfirmedStreaks {
    private let capacity: Int
    private var recent: [String: Int] = [:]
    private var older: [String: Int] = [:]

    /// `capacity`: Targets remembered; each costs about 150 bytes.
    init(capacity: Int = 10_000) { self.capacity = capacity }

    /// One more for a target; how many these are by now.
    mutating func count(_ target: String) -> Int {
        let streak = (recent[target] ?? older.removeValue(forKey: target) ?? 0) + 1
        if recent[target] == nil, recent.count >= max(capacity / 2, 1) {
            older = recent
            recent = [:]
        }
        recent[target] = streak
        return streak
    }

    mutating func reset(_ target: String) {
        // Mostly there is none: then this costs no hashing.
        if !recent.isEmpty { recent[target] = nil }
        if !older.isEmpty { older[target] = nil }
    }
}
