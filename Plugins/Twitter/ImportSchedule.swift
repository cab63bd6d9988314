// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// What is imported of an account.
enum ImportKind: String, Hashable, CaseIterable, Sendable {
    case statuses
    case friends

    static func wanted(by row: Recipient) -> [ImportKind] {
        let options = AccountOptions(row.options)
        return allCases.filter { $0 == .statuses ? options.imports : options.importsFriends }
    }
}

/// One look that is to be made.
struct ImportDue {
    let kind: ImportKind
    let row: Recipient
}

/// What a look came to.
enum ImportResult: Equatable {
    case done
    /// Not before so long: Twitter's headers say so.
    case rest(Duration)
    /// Comes again, later each time.
    case failed
}

/// Which account is looked at when: a value without clock or I/O.
struct ImportSchedule {
    private struct Look: Hashable {
        let kind: ImportKind
        let account: String
    }

    private struct Plan {
        var row: Recipient
        var due: Int64
        var failures = 0
    }

    private static let longestBackoff: Int64 = 3600

    private var plans: [Look: Plan] = [:]
    private var listDue: Int64 = 0

    /// Whether the directory is to be read again for accounts that came or went.
    func isListDue(now: UnixTime) -> Bool { listDue <= now.seconds }

    /// Takes the accounts of now; those that were there keep their time.
    mutating func update(_ rows: [Recipient], now: UnixTime, every interval: Duration) {
        listDue = now.seconds + interval.components.seconds
        var next: [Look: Plan] = [:]
        for row in rows {
            for kind in ImportKind.wanted(by: row) {
                let look = Look(kind: kind, account: row.target)
                var plan = plans[look] ?? Plan(row: row, due: now.seconds)
                // A user who connected the account anew doesn't wait for the end of a backoff.
                if plan.row.version != row.version { plan = Plan(row: row, due: now.seconds) }
                next[look] = plan
            }
        }
        plans = next
    }

    /// The look that has been due for longest.
    func next(now: UnixTime) -> ImportDue? {
        plans.filter { $0.value.due <= now.seconds }
            .min { ($0.value.due, $0.key.account) < ($1.value.due, $1.key.account) }
            .map { ImportDue(kind: $0.key.kind, row: $0.value.row) }
    }

    mutating func end(_ due: ImportDue, _ result: ImportResult, now: UnixTime, interval: Duration) {
        let look = Look(kind: due.kind, account: due.row.target)
        guard var plan = plans[look] else { return }
        let interval = interval.components.seconds
        switch result {
        case .done: (plan.failures, plan.due) = (0, now.seconds + interval)
        case .rest(let rest): (plan.failures, plan.due) = (0, now.seconds + max(rest.components.seconds, interval))
        case .failed:
            plan.failures += 1
            let backoff = min(interval << min(Int64(plan.failures), 12), max(Self.longestBackoff, interval))
            plan.due = now.seconds + backoff
        }
        plans[look] = plan
    }
}
