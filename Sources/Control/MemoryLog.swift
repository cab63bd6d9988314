// SPDX-License-Identifier: Apache-2.0
package import NIOCore

/// `queue.debug_memory`: tells every few seconds what the memory of this loop's process is made of.
///
/// Confined to the loop.
package final class MemoryLog {
    private static let interval = TimeAmount.seconds(5)

    private let loop: any EventLoop
    private let tell: @Sendable ([String: String]) -> Void
    private var task: RepeatedTask?

    /// `tell` gets names with figures for people, on the loop.
    package init(loop: any EventLoop, tell: @escaping @Sendable ([String: String]) -> Void) {
        self.loop = loop
        self.tell = tell
    }

    package func set(_ isOn: Bool) {
        guard isOn != (task != nil) else { return }
        task?.cancel()
        task = nil
        guard isOn else { return }
        task = loop.scheduleRepeatedTask(initialDelay: .zero, delay: Self.interval) { [tell] _ in
            tell(MemoryFigures.current().fields)
        }
    }
}

extension MemoryFigures {
    /// For a log line.
    package var fields: [String: String] {
        [
            "resident": Figures.bytes(Int64(residentBytes)), "heap": Figures.bytes(Int64(heapBytes)),
            "free": Figures.bytes(Int64(freeBytes)), "mapped": Figures.bytes(Int64(mappedBytes)),
            "arenas": "\(arenas)",
        ]
    }
}
