// SPDX-License-Identifier: Apache-2.0

/// What a client has put into a transaction since its BEGIN; it comes out as one at COMMIT, or not at all.
struct StompTransaction: Sendable {
    /// An acknowledged delivery, and the subscription that it goes back to if the transaction is aborted.
    struct Held: Sendable {
        let serial: Int
        let delivery: PendingDelivery
    }

    private(set) var sends: [StompFrame] = []
    private(set) var acks: [Held] = []
    private(set) var nacks: [Held] = []
    /// SENDs and settled deliveries, and the octets of the SENDs: what the connection's limits count.
    private(set) var frames = 0
    private(set) var bytes = 0

    /// Frames are kept with octets of their own: a slice would keep 64 KiB of read buffer alive.
    mutating func add(_ frame: StompFrame) {
        sends.append(frame.detached())
        frames += 1
        bytes += frame.size
    }

    mutating func add(_ deliveries: [PendingDelivery], of serial: Int, isAck: Bool) {
        let held = deliveries.map { Held(serial: serial, delivery: $0) }
        if isAck { acks += held } else { nacks += held }
        frames += deliveries.count
    }
}
