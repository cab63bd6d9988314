// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import Testing

@Suite struct HeartBeatTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test(
        "Both sides' offers give the larger interval, or none where one side says 0",
        arguments: [
            ("0,0", "1000,1000", nil, nil), ("10000,0", "0,5000", 10_000, nil), ("1000,2000", "3000,500", 1000, 3000),
            ("500,500", "500,500", 500, 500), ("1000,0", "1000,1000", 1000, nil), ("0,1000", "1000,0", nil, 1000),
        ] as [(String, String, Int64?, Int64?)]
    )
    func intervals(_ local: String, _ remote: String, _ send: Int64?, _ receive: Int64?) throws {
        let beat = HeartBeat(
            local: try #require(HeartBeatOffer(local)),
            remote: try #require(HeartBeatOffer(remote)),
            now: start
        )
        #expect(beat.sendInterval == send.map(TimeAmount.milliseconds))
        #expect(beat.receiveInterval == receive.map(TimeAmount.milliseconds))
        #expect((beat.nextCheck == nil) == (send == nil && receive == nil))
    }

    @Test("A beat goes out before the interval is over, and not while other octets do")
    func sending() {
        var beat = HeartBeat(local: .init(sends: 1000, wants: 0), remote: .init(sends: 0, wants: 1000), now: start)
        #expect(!beat.mustSend(at: start + .milliseconds(700)))
        #expect(beat.mustSend(at: start + .milliseconds(800)))
        beat.sent(at: start + .milliseconds(800))
        #expect(!beat.mustSend(at: start + .milliseconds(1500)))
        #expect(beat.nextCheck == start + .milliseconds(1550))
        #expect(!beat.isSilent(at: start + .seconds(1000)))
    }

    @Test("A peer is silent after two intervals without an octet")
    func silence() {
        var beat = HeartBeat(local: .init(sends: 0, wants: 1000), remote: .init(sends: 1000, wants: 0), now: start)
        #expect(!beat.isSilent(at: start + .milliseconds(1999)))
        #expect(beat.isSilent(at: start + .milliseconds(2000)))
        beat.received(at: start + .milliseconds(1500))
        #expect(!beat.isSilent(at: start + .milliseconds(3000)))
        #expect(beat.nextCheck == start + .milliseconds(3500))
        #expect(!beat.mustSend(at: start + .seconds(1000)))
    }

    @Test("The next check is the earlier of both")
    func nextCheck() {
        let beat = HeartBeat(
            local: .init(sends: 4000, wants: 1000),
            remote: .init(sends: 1000, wants: 4000),
            now: start
        )
        #expect(beat.nextCheck == start + .seconds(2))
    }

    @Test(
        "An offer is two whole numbers",
        arguments: ["", ",", "1", "1,", ",1", "1,2,3", "a,1", "-1,1", "1, 2", "1234567890,1"]
    )
    func badOffers(_ text: String) { #expect(HeartBeatOffer(text) == nil) }

    @Test("An offer is printed as it is read")
    func offers() { #expect(HeartBeatOffer("10000,0").map(String.init(describing:)) == "10000,0") }
}
