// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI
import WorkerLink

/// The memory of all jobs of one batch: one copy of its bytes and one `hostd_job` per item, freed when the last of its
/// deliveries is done with it.
///
/// So a delivery costs no allocation of its own for what the plugin sees.
///
/// `@unchecked Sendable`: written in init only; plugins read it from any thread.
final class BatchArena: @unchecked Sendable {
    private let bytes: UnsafeMutableRawPointer
    private let byteCount: Int
    private let jobs: UnsafeMutablePointer<hostd_job>

    init(_ batch: DeliveredBatch) {
        let count = batch.bytes.readableBytes
        let copy = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 1)
        batch.bytes.withUnsafeReadableBytes { source in
            UnsafeMutableRawBufferPointer(start: copy, count: count).copyMemory(from: source)
        }
        bytes = copy
        byteCount = count
        jobs = .allocate(capacity: max(batch.items.count, 1))
        jobs.initialize(repeating: hostd_job(), count: batch.items.count)
    }

    deinit {
        jobs.deallocate()
        bytes.deallocate()
    }

    func job(_ index: Int) -> UnsafeMutablePointer<hostd_job> { jobs + index }

    /// nil where the span lies outside of the batch's bytes.
    func slice(_ span: ByteSpan) -> hostd_str? {
        guard span.count > 0 else { return .empty }
        guard Int(span.offset) + Int(span.count) <= byteCount else { return nil }
        let start = (bytes + Int(span.offset)).assumingMemoryBound(to: CChar.self)
        return hostd_str(ptr: UnsafePointer(start), len: Int(span.count))
    }
}
