// SPDX-License-Identifier: Apache-2.0

/// Why the store could not do what it was asked.
///
/// Nothing of a failed call is in the store.
package enum QueueStoreError: Error, Equatable, CustomStringConvertible {
    case cannotOpen(path: String, text: String)
    case corrupt(path: String, text: String)
    case newerSchema(path: String)
    case notDurable(path: String, found: Int)
    case diskFull
    case closed
    case failed(code: Int32, text: String)

    package var description: String {
        switch self {
        case .cannotOpen(let path, let text):
            "\(path): the queue store can't be opened (\(text)); check that hostd's user owns the state directory"
        case .corrupt(let path, let text):
            "\(path): the queue store is damaged (\(text)); it was left untouched: restore it from a backup, or move it "
                + "away to start with an empty one"
        case .newerSchema(let path):
            "\(path): the queue store was written by a newer hostd; it was left untouched: run that version, or point "
                + "state_dir elsewhere"
        case .notDurable(let path, let found):
            "\(path): PRAGMA synchronous is \(found) where 2 (FULL) was set: the store would not be durable"
        case .diskFull: "the disk is full: nothing was stored; free some space and send it again"
        case .closed: "the queue store is closed"
        case .failed(let code, let text): "the queue store failed (SQLite \(code): \(text))"
        }
    }

    /// A fixed word for metrics and log keys.
    package var kind: String {
        switch self {
        case .cannotOpen: "cannot-open"
        case .corrupt: "corrupt"
        case .newerSchema: "newer-schema"
        case .notDurable: "not-durable"
        case .diskFull: "disk-full"
        case .closed: "closed"
        case .failed: "failed"
        }
    }
}
