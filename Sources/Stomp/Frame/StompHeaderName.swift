// SPDX-License-Identifier: Apache-2.0

/// A header's name as a constant, so that it is compared with a frame's octets and never becomes a String.
package struct StompHeaderName: Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    let text: StaticString

    package init(stringLiteral text: StaticString) { self.text = text }

    package var description: String { text.description }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        text.withUTF8Buffer { body(UnsafeRawBufferPointer($0)) }
    }

    // The protocol's own.
    package static let acceptVersion: StompHeaderName = "accept-version"
    package static let ack: StompHeaderName = "ack"
    package static let contentLength: StompHeaderName = "content-length"
    package static let contentType: StompHeaderName = "content-type"
    package static let destination: StompHeaderName = "destination"
    package static let heartBeat: StompHeaderName = "heart-beat"
    package static let host: StompHeaderName = "host"
    package static let id: StompHeaderName = "id"
    package static let login: StompHeaderName = "login"
    package static let message: StompHeaderName = "message"
    package static let messageID: StompHeaderName = "message-id"
    package static let passcode: StompHeaderName = "passcode"
    package static let receipt: StompHeaderName = "receipt"
    package static let receiptID: StompHeaderName = "receipt-id"
    package static let server: StompHeaderName = "server"
    package static let session: StompHeaderName = "session"
    package static let subscription: StompHeaderName = "subscription"
    package static let transaction: StompHeaderName = "transaction"
    package static let version: StompHeaderName = "version"
    // Brokers' additions.
    package static let activemqPrefetchSize: StompHeaderName = "activemq.prefetchSize"
    package static let prefetchCount: StompHeaderName = "prefetch-count"
}
