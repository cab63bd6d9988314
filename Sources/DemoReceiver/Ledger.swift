// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Synchronization

/// What arrived, for `/stat` and the log file.
///
/// Called from every connection's event loop.
final class Ledger: Sendable {
    /// The answer to `GET /stat`.
    struct Counts: Encodable {
        /// Requests to a target, whatever came of them.
        var received = 0
        /// Signed as they should be, and taken.
        var valid = 0
        /// Not signed as they should be; refused with 401.
        var invalid = 0
        /// Of the valid ones, those whose (path, notice) was taken before.
        var duplicates = 0
        /// Requests that met one of the faults.
        var failed = 0
        /// Valid ones by Unix second.
        var bySecond: [String: Int] = [:]
        /// Why the latest invalid one was refused.
        var lastRefusal: String?
    }

    private struct State {
        var counts = Counts()
        var taken: Set<String> = []
        var nonces: Set<String> = []
    }

    private let state = Mutex(State())
    private let log: AppendOnlyFile?

    init(logPath: String?) throws {
        log = try logPath.map { try AppendOnlyFile(path: $0) }
    }

    func received() { state.withLock { $0.counts.received += 1 } }

    func failed() { state.withLock { $0.counts.failed += 1 } }

    func refuse(_ reason: String) {
        state.withLock {
            $0.counts.invalid += 1
            $0.counts.lastRefusal = reason
        }
    }

    /// False if this nonce was used before: a signature is good for one request.
    func isFresh(nonce: String) -> Bool { state.withLock { $0.nonces.insert(nonce).inserted } }

    /// Throws if the log can't be written: then the notice isn't taken.
    func take(path: String, notice: String) throws {
        try state.withLock { state in
            let moment = Date().timeIntervalSince1970
            try log?.append("\(path) \(notice) \(Int64(moment * 1000))")
            state.counts.valid += 1
            if !state.taken.insert("\(path) \(notice)").inserted { state.counts.duplicates += 1 }
            state.counts.bySecond["\(Int(moment))", default: 0] += 1
        }
    }

    func statistics() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        return try encoder.encode(state.withLock { $0.counts })
    }
}
