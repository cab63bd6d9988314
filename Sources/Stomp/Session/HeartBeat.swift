// SPDX-License-Identifier: Apache-2.0
package import NIOCore

/// One side's `heart-beat` header: what it can send, and what it wants to get; milliseconds, 0 = none.
package struct HeartBeatOffer: Sendable, Equatable, CustomStringConvertible {
    package let sends: Int
    package let wants: Int

    package static let none = HeartBeatOffer(sends: 0, wants: 0)

    package init(sends: Int, wants: Int) {
        self.sends = sends
        self.wants = wants
    }

    /// Reads `cx,cy`; nil if it isn't two whole numbers of at most nine digits.
    package init?(_ text: String) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2, let sends = Self.milliseconds(parts[0]), let wants = Self.milliseconds(parts[1]) else {
            return nil
        }
        self.init(sends: sends, wants: wants)
    }

    package var description: String { "\(sends),\(wants)" }

    private static func milliseconds(_ text: Substring) -> Int? {
        guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}

/// When one side must send something, and until when it must have got something.
///
/// It has no clock: times come in. The driver calls `sent` and `received` for any octets, asks `nextCheck` for when to
/// look again, and then sends a line end if `mustSend`, or ends the connection if `isSilent`.
package struct HeartBeat: Sendable {
    /// At least so often something must be sent, or nil.
    package let sendInterval: TimeAmount?
    /// At least so often something must come, or nil.
    package let receiveInterval: TimeAmount?
    private var lastSent: NIODeadline
    private var lastReceived: NIODeadline

    /// Both sides' offers give MAX(sends, the other's wants) where neither is 0 (STOMP 1.2, "Heart-beating").
    package init(local: HeartBeatOffer, remote: HeartBeatOffer, now: NIODeadline) {
        sendInterval = Self.interval(local.sends, remote.wants)
        receiveInterval = Self.interval(remote.sends, local.wants)
        lastSent = now
        lastReceived = now
    }

    private static func interval(_ sends: Int, _ wants: Int) -> TimeAmount? {
        sends > 0 && wants > 0 ? .milliseconds(Int64(max(sends, wants))) : nil
    }

    package mutating func sent(at now: NIODeadline) { lastSent = now }

    package mutating func received(at now: NIODeadline) { lastReceived = now }

    /// A quarter of the interval is left for the way to the peer.
    private var sendDeadline: NIODeadline? {
        sendInterval.map { lastSent + .nanoseconds($0.nanoseconds / 4 * 3) }
    }

    /// A beat may be late by a whole interval: timers and networks are.
    private var silenceDeadline: NIODeadline? { receiveInterval.map { lastReceived + $0 + $0 } }

    package func mustSend(at now: NIODeadline) -> Bool { sendDeadline.map { $0 <= now } ?? false }

    package func isSilent(at now: NIODeadline) -> Bool { silenceDeadline.map { $0 <= now } ?? false }

    /// When to look again; nil = never.
    package var nextCheck: NIODeadline? {
        switch (sendDeadline, silenceDeadline) {
        case (let send?, let silence?): min(send, silence)
        case (let either, nil), (nil, let either): either
        }
    }
}
