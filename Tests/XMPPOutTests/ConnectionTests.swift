// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import XMPPOut

@Suite struct OutboxTests {
    @Test("One acknowledgement covers all that was sent before it was asked for")
    func pings() {
        var outbox = Outbox()
        outbox.append([1], id: 1)
        outbox.append([2], id: nil)
        outbox.append([3], id: 3)
        #expect(outbox.wantsRequest)
        outbox.ask()
        outbox.append([4], id: 4)
        #expect(!outbox.wantsRequest)
        #expect(outbox.answered() == [1, 3])
        #expect(outbox.wantsRequest && outbox.count == 1)
        outbox.ask()
        #expect(outbox.answered() == [4])
        #expect(!outbox.wantsRequest && outbox.answered() == [])
    }

    @Test("Stream management's count wraps at 2^32, and never exceeds what was sent")
    func wraps() {
        var outbox = Outbox()
        for id in 1...10 as ClosedRange<UInt64> { outbox.append([], id: id) }
        #expect(outbox.handled(11) == nil)
        #expect(outbox.handled(4) == [1, 2, 3, 4])
        #expect(outbox.handled(4) == [])
        #expect(outbox.handled(3) == nil)
        #expect(outbox.handled(10) == [5, 6, 7, 8, 9, 10])
        var far = Outbox(acknowledged: UInt64(UInt32.max) - 1)
        for id in 1...4 as ClosedRange<UInt64> { far.append([], id: id) }
        #expect(far.handled(.max) == [1])
        #expect(far.handled(1) == [2, 3])
        #expect(far.handled(2) == [4])
    }

    @Test("A resumed stream sends the rest again, in order; a lost one gives up those that are waited for")
    func resumes() {
        var outbox = Outbox()
        for number in 1...5 as ClosedRange<UInt64> { outbox.append([UInt8(number)], id: number == 2 ? nil : number) }
        outbox.forget(4)
        #expect(outbox.handled(1) == [1])
        #expect(outbox.resend() == [[2], [3], [4], [5]])
        #expect(outbox.reset() == [3, 5])
        #expect(outbox.count == 0 && outbox.acknowledged == 0)
    }

    @Test("Whatever the order of events, each stanza ends once, and in order")
    func randomWalk() {
        var random = SeededRandom(seed: 20_261_127)
        var outbox = Outbox()
        var (next, ended) = (UInt64(0), [UInt64]())
        for _ in 0..<20_000 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                next += 1
                outbox.append([], id: next)
            case 2: if outbox.wantsRequest { outbox.ask() }
            default: ended += outbox.answered()
            }
        }
        outbox.ask()
        ended += outbox.answered()
        if outbox.wantsRequest {
            outbox.ask()
            ended += outbox.answered()
        }
        #expect(ended == Array(1...next))
    }
}

@Suite struct ReconnectTests {
    @Test("Waits grow to a minute with jitter, and start anew after a success")
    func grows() {
        var random = SeededRandom(seed: 7)
        var reconnect = Reconnect()
        for ceiling in [1, 2, 4, 8, 16, 32, 60, 60] {
            let move = reconnect.failed(.temporary, wasOnline: false, using: &random)
            guard case .wait(let wait) = move else {
                Issue.record("\(move)")
                return
            }
            #expect(wait <= .seconds(ceiling) && wait >= .seconds(ceiling) / 2)
        }
        reconnect.succeeded()
        guard case .wait(let wait) = reconnect.failed(.temporary, wasOnline: true, using: &random) else { return }
        #expect(wait <= .seconds(1))
    }

    @Test("A rival is never fought: at once where it took the address, soon where the server prefers it")
    func conflicts() {
        var random = SeededRandom(seed: 7)
        var taken = Reconnect()
        #expect(taken.failed(.conflict, wasOnline: true, using: &random) == .stop)
        var refused = Reconnect()
        var moves: [Reconnect.Move] = []
        for _ in 0..<4 { moves.append(refused.failed(.conflict, wasOnline: false, using: &random)) }
        #expect(moves.prefix(3).allSatisfy { $0 != .stop } && moves.last == .stop)
        var wrong = Reconnect()
        #expect(wrong.failed(.refused, wasOnline: false, using: &random) == .wait(.seconds(300)))
    }
}

@Suite struct LoginTests {
    @Test(
        "SCRAM: the vectors of RFC 5802, RFC 7677 and RFC 6120",
        arguments: [
            (
                SCRAM.Hash.sha1, "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="
            ),
            (
                .sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
            ),
            (
                .sha1, "juliet", "r0m30myr0m30", "oMsTAAwAAAAMAAAANP0TAAAAAABPU0AA",
                "r=oMsTAAwAAAAMAAAANP0TAAAAAABPU0AAe124695b-69a9-4de6-9c30-b51b3808c59e,"
                    + "s=NjhkYTM0MDgtNGY0Zi00NjdmLTkxMmUtNDlmNTNmNDNkMDMz,i=4096",
                "UA57tM/SvpATBkH2FXs0WDXvJYw=", "v=pNNDFVEQxuXxCoSEiW8GEZ+1RSo="
            ),
        ]
    )
    func vectors(
        hash: SCRAM.Hash,
        user: String,
        password: String,
        nonce: String,
        challenge: String,
        proof: String,
        final: String
    ) throws {
        var scram = SCRAM(hash, user: user, password: password, nonce: nonce)
        #expect(scram.first == "n,,n=\(user),r=\(nonce)")
        #expect(try scram.answer(challenge).hasSuffix(",p=\(proof)"))
        try scram.verify(final)
        let answered = scram
        #expect(throws: ConnectionFailure.self) { try answered.verify("v=AAAA") }
        #expect(throws: ConnectionFailure.self) { try answered.verify("e=invalid-proof") }
        var other = SCRAM(hash, user: user, password: password, nonce: "another")
        #expect(throws: ConnectionFailure.self) { _ = try other.answer(challenge) }
    }

    @Test("A server can't make the host's thread derive a key for minutes")
    func rounds() {
        var scram = SCRAM(.sha1, user: "u", password: "p", nonce: "n")
        #expect(throws: ConnectionFailure.self) { _ = try scram.answer("r=nx,s=AAAA,i=1000000000") }
    }

    @Test("The strongest way to log in is taken; a password in clear goes through TLS only")
    func mechanisms() throws {
        func begin(_ mechanisms: [String], _ isSecured: Bool) throws -> String? {
            var sasl = SASL(user: "juliet", password: "r0m30myr0m30", nonce: "n")
            return try sasl.begin(mechanisms: mechanisms, isSecured: isSecured)["mechanism"]
        }
        #expect(try begin(["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"], true) == "SCRAM-SHA-256")
        #expect(try begin(["PLAIN", "SCRAM-SHA-1"], false) == "SCRAM-SHA-1")
        #expect(try begin(["PLAIN"], true) == "PLAIN")
        #expect(throws: ConnectionFailure.self) { _ = try begin(["PLAIN"], false) }
        #expect(throws: ConnectionFailure.self) { _ = try begin(["DIGEST-MD5"], true) }
        var plain = SASL(user: "juliet", password: "r0m30myr0m30", nonce: "n")
        #expect(try plain.begin(mechanisms: ["PLAIN"], isSecured: true).text == "AGp1bGlldAByMG0zMG15cjBtMzA=")
    }

    @Test("The component's handshake: XEP-0114's vector")
    func handshake() {
        #expect(
            ComponentNegotiation.proof(id: "3BF96D32", secret: "test") == "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e"
        )
    }
}
