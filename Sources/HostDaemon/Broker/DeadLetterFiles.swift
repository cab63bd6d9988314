// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import Logging
import NIOCore
import QueueStore

/// Keeps `queue.dead_letter_dir` like the store's table of dead letters: performs what `DeadFileBacklog` decides, one
/// step at a time.
///
/// Confined to the broker's loop; files are written on a thread of their own, so that a slow or full disk there holds
/// up nobody.
final class DeadLetterFiles {
    /// Also what somebody else changed in the folder is put right.
    private static let comparison = TimeAmount.hours(1)
    private static let page = 1000
    /// A folder that can't be written is told so often, and no more.
    private static let logEveryMs: Int64 = 600_000

    private let loop: any EventLoop
    private let store: QueueStore
    private let clock: any BrokerClock
    private let log: Logger
    private let thread = DispatchQueue(label: "hostd.dead-letters")
    private var folder: DeadLetterFolder?
    /// Taken over between two steps.
    private var wantedPath: String?
    private(set) var backlog = DeadFileBacklog()
    /// Why the last step failed; nil: it didn't.
    private(set) var failure: DeadFolderError?
    /// Letters whose files were written, and steps that failed, in this life of the broker.
    private(set) var written = 0
    private(set) var failures = 0
    private var loggedMs: Int64?
    private var isBusy = false
    private var retry: Scheduled<Void>?
    private var hourly: Scheduled<Void>?
    private var isStopping = false
    private var stopped: (() -> Void)?

    init(loop: any EventLoop, store: QueueStore, clock: any BrokerClock, log: Logger) {
        self.loop = loop
        self.store = store
        self.clock = clock
        self.log = log
        let me = NIOLoopBound(self, eventLoop: loop)
        store.watchDeadLetters { changes in me.value.note(changes) }
    }

    /// Absolute; nil: there are no files.
    var path: String? { folder?.path }

    /// nil: no files.
    ///
    /// Files in a folder that was used before stay there.
    func use(_ path: String?) {
        wantedPath = path
        if !isBusy { takeFolder() }
        goOn()
    }

    private func takeFolder() {
        guard folder?.path != wantedPath else { return }
        folder = wantedPath.map { DeadLetterFolder(path: $0, storeID: store.id) }
        backlog = DeadFileBacklog()
        failure = nil
        retry?.cancel()
        retry = nil
        hourly?.cancel()
        if folder != nil { scheduleComparison() }
    }

    private func scheduleComparison() {
        let me = NIOLoopBound(self, eventLoop: loop)
        hourly = loop.scheduleTask(in: Self.comparison) {
            me.value.backlog.compare()
            me.value.goOn()
            me.value.scheduleComparison()
        }
    }

    private func note(_ changes: [DeadChange]) {
        guard folder != nil else { return }
        backlog.note(changes)
        goOn()
    }

    /// Takes up no more; `completion` comes once nothing is being written.
    ///
    /// What is left the next start finds.
    func stop(completion: @escaping () -> Void) {
        isStopping = true
        retry?.cancel()
        hourly?.cancel()
        if isBusy { stopped = completion } else { completion() }
    }

    // MARK: Steps

    private func goOn() {
        guard !isBusy, !isStopping, retry == nil, let folder, let step = backlog.next() else { return }
        isBusy = true
        switch step {
        case .remove(let names): remove(names, folder)
        case .write(let ids): write(ids, folder)
        case .compare(let id): compare(after: id, folder)
        case .sweep: sweep(folder, FolderWalk(folder))
        }
    }

    private func remove(_ names: [DeadFileName], _ folder: DeadLetterFolder) {
        onThread { () throws(DeadFolderError) in
            for name in names { try folder.remove(name) }
        } then: { files, _ in
            files.backlog.removed(names)
        }
    }

    private func write(_ ids: [Int64], _ folder: DeadLetterFolder) {
        var filter = DeadFilter()
        filter.ids = ids
        read(filter, after: 0, .whole) { files, page in
            // A page ends early where the frames are big; those behind it wait for the next step.
            let looked = ids.filter { id in page.next.map { id <= $0 } ?? true }
            files.onThread { () throws(DeadFolderError) in
                for letter in page.letters { try folder.write(letter) }
            } then: { files, _ in
                files.backlog.wrote(looked)
                files.written += page.letters.count
            }
        }
    }

    private func compare(after id: Int64, _ folder: DeadLetterFolder) {
        read(DeadFilter(), after: id, .outline) { files, page in
            files.onThread { () throws(DeadFolderError) in
                page.letters.filter { !folder.has($0) }.map(\.item.id)
            } then: { files, lacking in
                files.backlog.compared(lacking: lacking, next: page.next)
            }
        }
    }

    /// Files of ours whose letter isn't dead any more go.
    private func sweep(_ folder: DeadLetterFolder, _ walk: FolderWalk) {
        onThread(endsStep: false) { () throws(DeadFolderError) in
            let names = try walk.next(Self.page)
            for name in names where folder.isUnfinished(name) { unlink(folder.file(name)) }
            return (names.isEmpty, names.compactMap(DeadFileName.init(metadataFile:)))
        } then: { files, found in
            let (isLast, names) = found
            if isLast {
                files.backlog.swept()
                files.end(nil)
            } else {
                files.sweep(folder, walk, names)
            }
        }
    }

    private func sweep(_ folder: DeadLetterFolder, _ walk: FolderWalk, _ names: [DeadFileName]) {
        var orphans = Set(names)
        find(names.map(\.id), after: 0) { files, letters in
            orphans.subtract(letters.map { DeadFileName(id: $0.item.id, site: $0.site, queue: $0.queue) })
        } then: { files in
            let left = orphans
            files.onThread(endsStep: false) { () throws(DeadFolderError) in
                for name in left where folder.isOurs(name) { try folder.remove(name) }
            } then: { files, _ in
                files.sweep(folder, walk)
            }
        }
    }

    // MARK: Store and thread

    private func find(
        _ ids: [Int64],
        after id: Int64,
        use: @escaping (DeadLetterFiles, [DeadLetter]) -> Void,
        then: @escaping (DeadLetterFiles) -> Void
    ) {
        var filter = DeadFilter()
        filter.ids = ids
        if ids.isEmpty { return then(self) }
        read(filter, after: id, .outline) { files, page in
            use(files, page.letters)
            if let next = page.next { files.find(ids, after: next, use: use, then: then) } else { then(files) }
        }
    }

    private func read(
        _ filter: DeadFilter,
        after id: Int64,
        _ content: StoreReader.DeadContent,
        _ use: @escaping (DeadLetterFiles, DeadPage) -> Void
    ) {
        let me = NIOLoopBound((self, use), eventLoop: loop)
        store.read { (reader) throws(QueueStoreError) in
            try reader.dead(filter, after: id, limit: Self.page, content)
        } completion: { result in
            let (files, use) = me.value
            switch result {
            case .success(let page): use(files, page)
            case .failure(let error):
                files.log.error("dead letters could not be read for their files", metadata: ["error": "\(error)"])
                files.end(DeadFolderError(path: files.folder?.path ?? "", code: EIO))
            }
        }
    }

    private func onThread<Result: Sendable>(
        endsStep: Bool = true,
        _ work: @escaping @Sendable () throws(DeadFolderError) -> Result,
        then: @escaping (DeadLetterFiles, Result) -> Void
    ) {
        let me = NIOLoopBound((self, then), eventLoop: loop)
        let loop = loop
        thread.async {
            let result: Swift.Result<Result, DeadFolderError>
            do throws(DeadFolderError) {
                result = .success(try work())
            } catch {
                result = .failure(error)
            }
            loop.execute {
                let (files, then) = me.value
                switch result {
                case .success(let value):
                    then(files, value)
                    if endsStep { files.end(nil) }
                case .failure(let error): files.end(error)
                }
            }
        }
    }

    /// A step is over, or has to be tried again.
    private func end(_ error: DeadFolderError?) {
        isBusy = false
        if let error { failed(error) } else { recovered() }
        if isStopping {
            stopped?()
            stopped = nil
            return
        }
        takeFolder()
        goOn()
    }

    private func failed(_ error: DeadFolderError) {
        failure = error
        failures += 1
        let wait = backlog.failed(writing: error.letter)
        let now = clock.steadyMs
        if loggedMs.map({ now - $0 >= Self.logEveryMs }) ?? true {
            loggedMs = now
            log.error(
                "dead letters can't be written to queue.dead_letter_dir; they are in the store, and this is tried again",
                metadata: ["error": "\(error)", "waiting": "\(backlog.waiting)"]
            )
        }
        let me = NIOLoopBound(self, eventLoop: loop)
        retry = loop.scheduleTask(in: .milliseconds(wait)) {
            me.value.retry = nil
            me.value.goOn()
        }
    }

    private func recovered() {
        guard failure != nil else { return }
        failure = nil
        loggedMs = nil
        log.info("dead letters are written to queue.dead_letter_dir again")
    }
}
