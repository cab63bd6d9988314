// SPDX-License-Identifier: Apache-2.0
package import NIOCore

/// What a producer sends to a destination.
package struct StompMessage: Sendable {
    package var destination: String
    package var headers: [(name: String, value: String)]
    package var body: ByteBuffer
    /// Whether the broker is to confirm it; a confirmation covers all messages before it too.
    package var wantsReceipt: Bool

    package init(
        destination: String,
        headers: [(name: String, value: String)] = [],
        body: ByteBuffer,
        wantsReceipt: Bool = true
    ) {
        self.destination = destination
        self.headers = headers
        self.body = body
        self.wantsReceipt = wantsReceipt
    }
}
