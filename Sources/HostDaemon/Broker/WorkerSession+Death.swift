// SPDX-License-Identifier: Apache-2.0
import QueueCore
import QueueStore
import WorkerLink

// The end of a worker's link: what becomes of the items that it had, and which of them are suspects.
extension WorkerSession {
    /// Which items were in handlers when the worker died, for the log: "42 of alice/ombout (inside), 43 of alice/ombout".
    func names(of journal: InFlightJournal.Contents, limit: Int) -> String {
        // The one whose handle() ran comes first: nothing else ran.
        let entered = journal.entered.subtracting(journal.inside.map { [$0] } ?? []).sorted()
        let ids = (journal.inside.map { [$0] } ?? []) + entered
        let items = ids.compactMap { id in inFlight[id].map { (id: id, item: $0) } }
        let named = items.prefix(limit).map { id, item in
            let site = core.dispatcher.names[item.row.site] ?? "?"
            return "\(item.row.id) of \(site)/\(item.source.line.name)" + (id == journal.inside ? " (inside)" : "")
        }
        return named.joined(separator: ", ") + (items.count > limit ? " and \(items.count - limit) more" : "")
    }

    /// The link is gone.
    ///
    /// `journal` says which handlers had been called; nil: nobody knows. No `cause`: the worker lives, so that nothing
    /// in it is to blame. `blame`: what the process's other links say of this one's items.
    func giveUp(_ journal: InFlightJournal.Contents?, cause: String?, blame: Blame = .alone) {
        let dispatcher = core.dispatcher
        let items = inFlight
        inFlight = [:]
        let mayBlame = cause != nil && !isEnding && blame != .nobody
        for (id, item) in items.sorted(by: { $0.key < $1.key }) {
            // A hunter without a journal had nothing in flight but a suspect.
            let wasEntered = journal?.entered.contains(id) ?? item.isHunted
            // What has left its handler may be done, though the worker didn't get to say so.
            let newest = journal?.newest ?? .max
            if cause == nil || id <= newest { item.mayBeDuplicate = true }
            guard mayBlame, wasEntered, let cause else {
                dispatcher.settle(item, Outcome(.giveBack))
                continue
            }
            let wasHunted = item.isHunted
            // Charged only where nothing else ever ran in that process: an item that comes after another may die of what
            // that one left.
            if wasHunted, isFresh, blame == .alone {
                dispatcher.settle(item, Outcome(.overdue, text: cause))
                continue
            }
            if let inside = journal?.inside, inside != id, items[inside] != nil, !item.wasBeside {
                item.wasBeside = true
            } else {
                item.isSuspect = true
            }
            dispatcher.settle(item, Outcome(.giveBack))
            // It is the first that the next hunter gets.
            if wasHunted { dispatcher.moveFirst(suspect: item) }
        }
    }

    /// Items that a death would be blamed on, were this the only link of its process.
    func suspects(_ journal: InFlightJournal.Contents?) -> Set<UInt64> {
        guard !isEnding else { return [] }
        // A hunter without a journal had nothing in flight but a suspect.
        guard let journal else { return Set(inFlight.filter { $0.value.isHunted }.keys) }
        if let inside = journal.inside, inFlight[inside] != nil { return [inside] }
        return journal.entered.intersection(inFlight.keys)
    }
}
