// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// The queues of the import.
enum ImportQueue {
    /// Statuses, for programs outside.
    static let statuses = "tweetin"
    /// New follows, for programs outside.
    static let friends = "twitterfriends"
    /// Served by the one worker per site that imports; an item asks for a look at once.
    static let requests = "twitterimport"
}

/// Looks at home timelines and follows by a timer, for the accounts that ask for it.
///
/// Runs in one worker per site: the one that serves the queue `twitterimport`, which is marked for that. Where two meet
/// all the same, as at an upgrade, the items' dedupe keys make one of two.
@HostActor
final class Importer {
    /// How exact the intervals are.
    private nonisolated static let tick = Duration.seconds(5)
    private nonisolated static let pageSize = 500

    private unowned let state: TwitterSite
    private var schedule = ImportSchedule()
    private var timer: HostTimer?
    private var round: Task<Void, Never>?
    /// Items of `twitterimport` that are being carried out: no round begins meanwhile, so that nothing is looked at twice.
    private var requests = 0

    init(_ state: TwitterSite) { self.state = state }

    func start() throws {
        guard state.site.queues.contains(ImportQueue.requests) else { return }
        timer = try state.site.timers.every(Self.tick) { [unowned self] in runRound() }
    }

    func stop() {
        timer?.cancel()
        timer = nil
        round?.cancel()
    }

    private func runRound() {
        guard state.config.imports, round == nil, requests == 0 else { return }
        // The site may be closed meanwhile: what a round still reads has to be there.
        let kept = state
        round = Task { @HostActor in
            await self.importDue()
            withExtendedLifetime(kept) { self.round = nil }
        }
    }

    /// Looks at all accounts whose time has come, one after the other.
    private func importDue() async {
        let config = state.config
        do {
            if schedule.isListDue(now: state.site.host.now) {
                schedule.update(try await accounts(), now: state.site.host.now, every: config.importInterval)
            }
        } catch {
            state.site.log.warning("the accounts to import can't be read", ["error": "\(error)"])
            return
        }
        while let due = schedule.next(now: state.site.host.now), !Task.isCancelled {
            let result: ImportResult
            do {
                result = try await run(due, config)
            } catch {
                guard !Task.isCancelled else { return }
                state.site.log.warning(
                    "an import failed and comes again later",
                    ["account": due.row.target, "what": "\(due.kind)", "error": "\(error)"]
                )
                result = .failed
            }
            let interval = due.kind == .statuses ? config.importInterval : config.friendsInterval
            schedule.end(due, result, now: state.site.host.now, interval: interval)
        }
    }

    /// One look, as an item asks for it.
    func importNow(account: String?, for item: Item) async throws {
        let config = try state.config(for: item)
        requests += 1
        defer { requests -= 1 }
        await round?.value
        for row in try await accounts() where account == nil || row.target == account {
            for kind in ImportKind.wanted(by: row) { _ = try await run(ImportDue(kind: kind, row: row), config) }
        }
    }

    private func run(_ due: ImportDue, _ config: TwitterConfig) async throws -> ImportResult {
        let session = TwitterSession(state: state, config: config, row: due.row)
        switch due.kind {
        case .statuses: return try await StatusImport(state: state, session: session).run()
        case .friends: return try await FriendsImport(state: state, session: session).run()
        }
    }

    /// The rows that ask for an import, each account once.
    private func accounts() async throws -> [Recipient] {
        var rows: [Recipient] = []
        var seen: Set<String> = []
        var cursor: [UInt8] = []
        while true {
            let page = try await state.site.recipients.page(of: nil, after: cursor, limit: Self.pageSize, for: nil)
            for row in page.rows where !ImportKind.wanted(by: row).isEmpty && seen.insert(row.target).inserted {
                rows.append(row)
            }
            guard let next = page.next else { return rows }
            cursor = next
        }
    }
}

/// Handles an item of `twitterimport`: `{"account": "..."}`, or nothing for all of the site.
@HostActor
struct TwitterImport: Handler {
    private let state: TwitterSite

    init(_ state: TwitterSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        let frame = item.frame
        var account: String?
        if !frame.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }) {
            guard let json = try? JSON(parsing: frame), case .object = json else {
                return .discard(.badData, "expected {\"account\": \"USER ID\"}, {} or nothing")
            }
            account = json["account"]?.string
        }
        try await state.importer.importNow(account: account, for: item)
        return .done
    }
}
