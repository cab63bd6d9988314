// SPDX-License-Identifier: Apache-2.0
import Dispatch
import NIOCore

/// A writer's own thread: its calls wait for the disk, which the plugin's loop must not.
///
/// `@unchecked Sendable`: the writer is opened and used on `queue` alone.
final class DatabaseThread<Writer>: @unchecked Sendable {
    private let queue: DispatchQueue
    private let loop: any EventLoop
    private let open: @Sendable () throws -> Writer
    private var writer: Writer?

    init(_ label: String, loop: any EventLoop, open: @escaping @Sendable () throws -> Writer) {
        queue = DispatchQueue(label: label)
        self.loop = loop
        self.open = open
    }

    /// Runs `work` on the thread, in order, then `done` on the loop.
    ///
    /// A file that can't be opened is tried anew each time.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable (Writer) throws -> Value,
        done: @escaping (Result<Value, any Error>) -> Void
    ) {
        let done = NIOLoopBound(done, eventLoop: loop)
        queue.async { [self] in
            let result = Result { () throws -> Value in
                let opened = try writer ?? open()
                writer = opened
                return try work(opened)
            }
            loop.execute { done.value(result) }
        }
    }
}
