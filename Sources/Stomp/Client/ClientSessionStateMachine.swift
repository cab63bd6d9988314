// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A producer's connection as the protocol sees it: the handshake, and which receipts are outstanding.
///
/// `StompClientHandler` feeds it what comes and performs its actions; no I/O, no clock.
struct ClientSessionStateMachine {
    enum State: Equatable {
        /// CONNECT was written; moves to `connected` by CONNECTED, else to `failed`.
        case connecting
        /// Moves to `disconnecting` by `disconnect`, to `failed` by ERROR or the connection's end.
        case connected
        /// DISCONNECT was written; moves to `disconnected` by its receipt, else to `failed`.
        case disconnecting
        case disconnected
        case failed(StompError)
    }

    enum Action: Equatable {
        case connected
        /// There is room in the window, and perhaps nothing is outstanding any more.
        case confirmed
        case disconnected
        case failed(StompError)
        case ignore
    }

    private(set) var state = State.connecting
    /// Messages whose receipt came.
    private(set) var confirmed = 0
    /// The how-manieth message an ERROR frame was about, where it said so.
    private(set) var refused: Int?
    private let window: Int
    private var outstanding: Set<String> = []
    private var lastReceipt = 0
    private static let disconnectReceipt = "bye"

    init(window: Int) { self.window = max(1, window) }

    var isOpen: Bool { state == .connected }
    var hasRoom: Bool { isOpen && outstanding.count < window }
    var isConfirmed: Bool { outstanding.isEmpty }

    /// The receipt id for the next message that wants one.
    mutating func nextReceipt() -> String {
        precondition(hasRoom, "asked for a receipt without room in the window")
        lastReceipt += 1
        let receipt = String(lastReceipt)
        outstanding.insert(receipt)
        return receipt
    }

    /// The receipt id for DISCONNECT.
    mutating func disconnect() -> String {
        precondition(isOpen, "disconnected without a connection")
        state = .disconnecting
        return Self.disconnectReceipt
    }

    mutating func receive(_ frame: StompFrame) -> Action {
        switch (frame.command, state) {
        case (_, .failed), (_, .disconnected): return .ignore
        case (.error, _):
            refused = frame[.receiptID].flatMap { outstanding.contains($0) ? Int($0) : nil }
            let detail = frame.body.withUnsafeReadableBytes { String(decoding: $0, as: UTF8.self) }
            return fail(
                .refusedByServer(
                    message: frame[.message] ?? "ERROR",
                    detail: String(detail.prefix(1000)).split(whereSeparator: \.isNewline).joined(separator: " ")
                )
            )
        case (.connected, .connecting):
            state = .connected
            return .connected
        case (.receipt, .connected), (.receipt, .disconnecting):
            guard let receipt = frame[.receiptID] else { return fail(.unexpectedFrame(.receipt)) }
            if receipt == Self.disconnectReceipt, state == .disconnecting {
                state = .disconnected
                return .disconnected
            }
            guard outstanding.remove(receipt) != nil else { return .ignore }
            confirmed += 1
            return .confirmed
        default: return fail(.unexpectedFrame(frame.command))
        }
    }

    mutating func closed() -> Action {
        fail(.connectionClosed)
    }

    /// The first failure counts.
    mutating func fail(_ error: StompError) -> Action {
        switch state {
        case .disconnected, .failed: return .ignore
        case .connecting, .connected, .disconnecting:
            state = .failed(error)
            return .failed(error)
        }
    }
}
