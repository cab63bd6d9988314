// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import OAuth1

@Suite struct FormSignerTests {
    @Test("The fast way makes the body that the general way makes, whatever the values and the URL's query")
    func agrees() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        for round in 0..<300 {
            let parameters = (0..<Int.random(in: 1...6, using: &random)).map { index in
                Parameter("omb_\(index)\(text(&random))", text(&random))
            }
            let query = random.next() % 3 == 0 ? "?\(["a=1&z", "oauth_x=y&omb_=", "x+y=%C3%A9&&b"][round % 3])" : ""
            let url = "http://Host\(round).example:\(80 + round % 2)/p q/\(query)"
            let (key, token, secret) = ("http://\(text(&random))/", text(&random), text(&random))
            let nonce = String(random.next(), radix: 16)
            let prepared = PreparedForm(parameters)
            let uri = try #require(BaseURI(url))
            let body = prepared.form.withUnsafeBytes { form in
                prepared.base.withUnsafeBytes { base in
                    FormSigner(consumerKey: key, consumerSecret: "s").sign(
                        uri,
                        form: form,
                        base: base,
                        token: token,
                        tokenSecret: secret,
                        nonce: Array(nonce.utf8),
                        timestamp: 1_795_531_821
                    )
                }
            }
            let request = try #require(
                SignedRequest(
                    method: "POST",
                    url: url,
                    parameters: parameters,
                    credentials: OAuthCredentials(
                        consumerKey: key,
                        consumerSecret: "s",
                        token: token,
                        tokenSecret: secret
                    ),
                    nonce: nonce,
                    timestamp: 1_795_531_821
                )
            )
            #expect(string(body) == string(request.formBody), "seed \(seed), round \(round)")
        }
    }

    private func text(_ random: inout SplitMix) -> String {
        let alphabet: [Character] = [
            "a", "Z", "0", "~", "-", "%", "&", "=", "+", " ", "*", "\u{E9}", "\u{1F600}", "/", "\n",
        ]
        return String(
            (0..<Int.random(in: 0...8, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) }
        )
    }
}

/// A seeded generator, so that a failing round can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
