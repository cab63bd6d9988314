// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI

/// What a stream tells its plugin: in order, never from within the plugin's own call, the end last.
///
/// On the loop.
final class StreamEvents {
    enum Event {
        case connected, secured
        case data(ByteBuffer)
        /// The reason is in words; empty where there is none.
        case closed(Int32, reason: String)
    }

    var op: hostd_op = 0
    private unowned let instance: PluginInstance
    private let function: hostd_stream_fn
    private let user: UnsafeMutableRawPointer?
    private var waiting: CircularBuffer<Event> = []
    private var isPaused = false
    private var isTelling = false
    private var isTellLater = false

    init(instance: PluginInstance, function: @escaping hostd_stream_fn, user: UnsafeMutableRawPointer?) {
        self.instance = instance
        self.function = function
        self.user = user
    }

    func tell(_ event: Event) {
        waiting.append(event)
        tell()
    }

    /// Apart from the rest: not behind data that the plugin doesn't want to read now.
    func tellWritable() {
        instance.loop.assumeIsolated().execute {
            // Behind the end there is nothing.
            guard self.instance.operations[self.op] != nil else { return }
            self.call(HOSTD_S_WRITABLE)
        }
    }

    /// While on, data waits, and what comes behind it.
    func pause(_ on: Bool) {
        isPaused = on
        if !on { tell() }
    }

    /// Tells what waits, now or once the plugin has returned.
    private func tell() {
        guard !isTelling, !isTellLater else { return }
        guard !instance.watch.isInside else {
            isTellLater = true
            instance.loop.assumeIsolated().execute {
                self.isTellLater = false
                self.tell()
            }
            return
        }
        isTelling = true
        defer { isTelling = false }
        while let event = waiting.first, instance.operations[op] != nil {
            if isPaused, case .data = event { return }
            waiting.removeFirst()
            call(event)
        }
    }

    private func call(_ event: Event) {
        switch event {
        case .connected: call(HOSTD_S_CONNECTED)
        case .secured: call(HOSTD_S_SECURED)
        case .data(let bytes):
            bytes.withUnsafeReadableBytes { bytes in
                let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                call(HOSTD_S_DATA, data: hostd_str(ptr: base, len: bytes.count))
            }
        case .closed(let status, let reason):
            guard instance.operations.finish(op) else { return }
            ByteBuffer(string: reason).withUnsafeReadableBytes { bytes in
                let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                call(HOSTD_S_CLOSED, status, data: hostd_str(ptr: base, len: bytes.count))
            }
        }
    }

    private func call(_ event: UInt32, _ status: Int32 = HOSTD_OK, data: hostd_str = .empty) {
        instance.enter(.callback) { function(user, op, event, status, data) }
    }
}
