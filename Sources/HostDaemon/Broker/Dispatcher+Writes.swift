// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import QueueStore

// What was decided goes to the store, in order, and again where it could not be written.
extension Dispatcher {
    func flushWrites() {
        guard !batch.isEmpty || !whenFlushed.isEmpty, !isHoldingWrites else { return }
        let written = batch
        batch = WriteBatch()
        let waiting = whenFlushed
        whenFlushed = []
        let wall = clock.wallMs
        let me = NIOLoopBound((self, waiting), eventLoop: loop)
        store.write { (transaction) throws(QueueStoreError) in
            try written.apply(to: transaction, nowMs: wall)
        } completion: { result in
            let (dispatcher, waiting) = me.value
            switch result {
            case .failure(let error): dispatcher.writeAgain(written, error)
            case .success(let kept): dispatcher.wrote(written, kept: kept)
            }
            // The store reports in order: here it is known what became of all batches before this one.
            if dispatcher.isHoldingWrites {
                dispatcher.whenFlushed = waiting + dispatcher.whenFlushed
            } else {
                for work in waiting { work() }
            }
        }
    }

    /// Runs `work` once all that was decided so far is on disk.
    func whenWritten(_ work: @escaping () -> Void) {
        whenFlushed.append(work)
        flushWrites()
    }

    private func writeAgain(_ written: WriteBatch, _ error: QueueStoreError) {
        failedBatch.append(written)
        guard !isHoldingWrites else { return }
        isHoldingWrites = true
        log.error(
            "outcomes could not be written; nothing more is handed out until they are, and they are tried again in a second",
            metadata: ["error": "\(error)"]
        )
        retryLater { $0.writeFailed() }
    }

    private func writeFailed() {
        isHoldingWrites = false
        failedBatch.append(batch)
        batch = failedBatch
        failedBatch = WriteBatch()
        whenWritten { [self] in touchAll() }
    }

    private func wrote(_ written: WriteBatch, kept: Set<LaneHash>) {
        for delay in written.delays { expectDue(delay.dueMs) }
        for lane in written.savedLanes { expectDue(lane.nextAttemptMs) }
        rowsChanged(saved: written.savedLanes.map(\.hash), removed: written.removedLanes, kept: kept)
    }
}
