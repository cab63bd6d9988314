// SPDX-License-Identifier: Apache-2.0

/// How much of a peer's frame is read, in octets, before it is refused: what bounds a connection's memory.
package struct StompLimits: Sendable, Equatable {
    /// One header line with its name.
    package let headerLine: Int
    /// All header lines of a frame.
    package let headerBlock: Int
    /// Header lines of a frame, repeated ones included.
    package let headers: Int
    /// The body: a notice frame may have 1 MiB, the rest is room for an envelope around it.
    package let body: Int

    /// A header line is at most 65,535 octets, since a frame keeps lengths in 16 bits.
    package init(
        headerLine: Int = 8 << 10,
        headerBlock: Int = 64 << 10,
        headers: Int = 64,
        body: Int = (1 << 20) + (64 << 10)
    ) {
        self.headerLine = min(headerLine, Int(UInt16.max))
        self.headerBlock = headerBlock
        self.headers = headers
        self.body = body
    }
}
