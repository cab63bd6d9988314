// SPDX-License-Identifier: Apache-2.0

import PluginABI
public import PluginKit

/// An item as a fake host hands it to a handler, or as a handler has added it.
public struct FakeItem: Sendable {
    /// The queue.
    public var queue: String
    /// What is its own.
    public var payload: [UInt8]
    /// What it has in common with others.
    public var shared: [UInt8] = []
    /// Who gets it, as its adder said.
    public var target = ""
    /// Its lane, as its adder said.
    public var lane = ""
    /// Its dedupe key.
    public var dedupeKey = ""
    /// What a former delivery committed.
    public var cursor: [UInt8] = []
    /// 1 = the first time.
    public var attempt = 1
    /// Workers that died with it.
    public var kills = 0
    /// See ``PluginKit/Item/isAfterCrash``.
    public var isAfterCrash = false
    /// See ``PluginKit/Item/isLastTry``.
    public var isLastTry = false
    /// See ``PluginKit/Item/mayBeDuplicate``.
    public var mayBeDuplicate = false
    /// How long it was told to wait.
    public var delay: Duration = .zero
    /// 0-9; nil = normal.
    public var priority: Int?
    /// When it is given up.
    public var expires: UnixTime?
    /// Recipients that its notice brings along, in place of the directory's.
    public var recipients: [Recipient]?

    /// An item.
    public init(queue: String, payload: [UInt8], shared: [UInt8] = []) {
        self.queue = queue
        self.payload = payload
        self.shared = shared
    }

    /// An item whose payload is text, as a JSON frame.
    public init(queue: String, _ payload: String) { self.init(queue: queue, payload: [UInt8](payload.utf8)) }

    init(_ item: hostd_item) {
        self.init(queue: item.queue.string, payload: [UInt8](item.payload.bytes), shared: [UInt8](item.shared.bytes))
        target = item.target.string
        lane = item.lane.string
        dedupeKey = item.dedup_key.string
        delay = .milliseconds(item.delay_ms)
        priority = item.priority == 0 ? nil : Int(item.priority) - 1
        expires = item.expires_ms == 0 ? nil : UnixTime(milliseconds: item.expires_ms)
    }

    /// The payload as text.
    public var text: String { String(decoding: payload, as: UTF8.self) }

    static func copy(_ items: UnsafePointer<hostd_item>?, stride: Int, count: Int) -> [FakeItem] {
        guard let items else { return [] }
        return (0..<count).map { index in
            FakeItem(
                UnsafeRawPointer(items).advanced(by: index * stride).assumingMemoryBound(to: hostd_item.self).pointee
            )
        }
    }
}

/// What came of one delivery to a handler.
public struct FakeDelivery: Sendable {
    /// What the handler said.
    public let outcome: Outcome
    /// What it staged, and what the host commits: nothing unless the outcome is done or continue.
    public let staged: [FakeItem]
}

/// A job's memory, poisoned when it is given back, so that a plugin that keeps a pointer is found out.
final class JobMemory: @unchecked Sendable {
    // Unchecked Sendable: written by init and deinit only, and lent to the plugin between them.
    let job: UnsafeMutablePointer<hostd_job>
    private let block: UnsafeMutableRawBufferPointer
    private let config: ConfigSnapshot

    init(_ item: FakeItem, token: hostd_token, site: hostd_site, config: ConfigSnapshot, now: Int64) {
        var arena = Arena()
        let queue = arena.add(item.queue)
        let payload = arena.add(item.payload)
        let shared = arena.add(item.shared)
        let lane = arena.add(item.lane)
        let dedupeKey = arena.add(item.dedupeKey)
        let cursor = arena.add(item.cursor)
        block = .allocate(byteCount: max(1, arena.bytes.count), alignment: 1)
        block.copyBytes(from: arena.bytes)
        let bytes = UnsafeRawBufferPointer(block)
        self.config = config
        job = .allocate(capacity: 1)
        job.initialize(to: hostd_job())
        job.pointee.struct_size = structSize(hostd_job.self)
        job.pointee.flags =
            (item.isAfterCrash ? HOSTD_JF_AFTER_CRASH : 0) | (item.isLastTry ? HOSTD_JF_LAST_TRY : 0)
            | (item.mayBeDuplicate ? HOSTD_JF_DUPLICATE : 0)
        job.pointee.token = token
        job.pointee.site = site
        job.pointee.config = config.pointer
        job.pointee.queue = bytes.slice(queue)
        job.pointee.payload = bytes.slice(payload)
        job.pointee.shared = bytes.slice(shared)
        job.pointee.lane = bytes.slice(lane)
        job.pointee.dedup_key = bytes.slice(dedupeKey)
        job.pointee.cursor = bytes.slice(cursor)
        job.pointee.attempt = UInt32(item.attempt)
        job.pointee.kills = UInt32(item.kills)
        job.pointee.enqueued_ms = now
        job.pointee.deadline_ms = now + 30_000
    }

    deinit {
        for index in block.indices { block[index] = 0xAA }
        block.deallocate()
        UnsafeMutableRawPointer(job).initializeMemory(
            as: UInt8.self,
            repeating: 0xAA,
            count: MemoryLayout<hostd_job>.size
        )
        job.deallocate()
    }
}
