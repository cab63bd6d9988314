// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The first line of a frame; case sensitive (STOMP 1.2, "STOMP Frames").
package enum StompCommand: String, Sendable, CaseIterable {
    case connect = "CONNECT"
    case stomp = "STOMP"
    case send = "SEND"
    case subscribe = "SUBSCRIBE"
    case unsubscribe = "UNSUBSCRIBE"
    case ack = "ACK"
    case nack = "NACK"
    case begin = "BEGIN"
    case commit = "COMMIT"
    case abort = "ABORT"
    case disconnect = "DISCONNECT"
    case connected = "CONNECTED"
    case message = "MESSAGE"
    case receipt = "RECEIPT"
    case error = "ERROR"

    /// Whether a body may follow; all other commands have none.
    package var allowsBody: Bool {
        switch self {
        case .send, .message, .error: true
        default: false
        }
    }

    /// Whether only servers send it.
    package var isServerCommand: Bool {
        switch self {
        case .connected, .message, .receipt, .error: true
        default: false
        }
    }

    /// Frames of the handshake are never escaped, so that 1.0 peers can read them.
    var isHandshake: Bool {
        switch self {
        case .connect, .stomp, .connected: true
        default: false
        }
    }

    /// The longest command has 11 octets: a first line longer than this is garbage, refused before its end comes.
    static let longestLine = 64

    init?(bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return nil }
        func matches(_ name: StaticString) -> Bool {
            name.utf8CodeUnitCount == bytes.count && memcmp(start, name.utf8Start, bytes.count) == 0
        }
        // By length first: a busy connection's SEND and ACK are found with one comparison.
        switch bytes.count {
        case 3 where matches("ACK"): self = .ack
        case 4 where matches("SEND"): self = .send
        case 4 where matches("NACK"): self = .nack
        case 5 where matches("BEGIN"): self = .begin
        case 5 where matches("ABORT"): self = .abort
        case 5 where matches("STOMP"): self = .stomp
        case 5 where matches("ERROR"): self = .error
        case 6 where matches("COMMIT"): self = .commit
        case 7 where matches("MESSAGE"): self = .message
        case 7 where matches("RECEIPT"): self = .receipt
        case 7 where matches("CONNECT"): self = .connect
        case 9 where matches("SUBSCRIBE"): self = .subscribe
        case 9 where matches("CONNECTED"): self = .connected
        case 10 where matches("DISCONNECT"): self = .disconnect
        case 11 where matches("UNSUBSCRIBE"): self = .unsubscribe
        default: return nil
        }
    }

    var name: StaticString {
        switch self {
        case .connect: "CONNECT"
        case .stomp: "STOMP"
        case .send: "SEND"
        case .subscribe: "SUBSCRIBE"
        case .unsubscribe: "UNSUBSCRIBE"
        case .ack: "ACK"
        case .nack: "NACK"
        case .begin: "BEGIN"
        case .commit: "COMMIT"
        case .abort: "ABORT"
        case .disconnect: "DISCONNECT"
        case .connected: "CONNECTED"
        case .message: "MESSAGE"
        case .receipt: "RECEIPT"
        case .error: "ERROR"
        }
    }
}
