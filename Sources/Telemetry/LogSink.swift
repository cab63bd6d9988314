// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where whole log lines go.
package struct LogSink: Sendable {
    package let write: @Sendable ([UInt8]) -> Void

    package init(write: @escaping @Sendable ([UInt8]) -> Void) {
        self.write = write
    }

    package static let standardError = LogSink(descriptor: STDERR_FILENO)

    /// One write(2) for a line, so that the lines of several processes on one pipe don't mix.
    ///
    /// What can't be written is lost: a log that is full must not stop deliveries.
    package init(descriptor: CInt) {
        write = { line in
            line.withUnsafeBytes { bytes in
                var rest = bytes[...]
                while !rest.isEmpty {
                    let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { return }
                    rest = rest.dropFirst(count)
                }
            }
        }
    }
}
