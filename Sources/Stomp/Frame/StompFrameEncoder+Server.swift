// SPDX-License-Identifier: Apache-2.0
package import NIOCore

/// The frames that a server answers with.
extension StompFrameEncoder {
    package func receipt(_ id: String, into buffer: inout ByteBuffer) {
        start(.receipt, into: &buffer)
        header(.receiptID, id, into: &buffer)
        finish(.receipt, into: &buffer)
    }

    /// An ERROR with a sentence in its body; the connection is closed behind it.
    package func error(_ error: StompError, receipt: String? = nil, into buffer: inout ByteBuffer) {
        start(.error, into: &buffer)
        if let receipt { header(.receiptID, receipt, into: &buffer) }
        header(.message, error.message, into: &buffer)
        if case .unsupportedVersion = error { header(.version, StompVersion.supported, into: &buffer) }
        header(.contentType, "text/plain", into: &buffer)
        finish(.error, body: ByteBuffer(string: error.detail + "\n"), into: &buffer)
    }

    /// The answer to CONNECT.
    package static func connected(_ connected: StompConnected, into buffer: inout ByteBuffer) {
        var headers: [(name: String, value: String)] = [("version", connected.version.description)]
        if connected.version > .v1_0 { headers.append(("heart-beat", connected.serverHeartBeat.description)) }
        headers += [("session", connected.session), ("server", connected.server)]
        encode(.connected, headers, version: connected.version, into: &buffer)
    }
}
