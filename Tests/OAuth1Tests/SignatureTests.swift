// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import OAuth1

@Suite struct SignatureTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var method = "POST"
        let url: String
        var parameters: [Parameter] = []
        let credentials: OAuthCredentials
        let nonce: String
        let timestamp: Int64
        var extra: [Parameter] = []
        var version: String?
        let signature: String
    }

    private static let twitter = OAuthCredentials(
        consumerKey: "xvz1evFS4wEEPTGEFPHBog",
        consumerSecret: "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
        token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
        tokenSecret: "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"
    )
    private static func photos(_ token: String?, _ secret: String) -> OAuthCredentials {
        OAuthCredentials(
            consumerKey: "dpf43f3p2l4k3l03",
            consumerSecret: "kd94hf93k423kf44",
            token: token,
            tokenSecret: secret
        )
    }
    private static func tweet(_ version: String, _ signature: String) -> Vector {
        Vector(
            testDescription: "Twitter /\(version)/",
            url: "https://api.twitter.com/\(version)/statuses/update.json?include_entities=true",
            parameters: [Parameter("status", "Hello Ladies + Gentlemen, a signed OAuth request!")],
            credentials: twitter,
            nonce: "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
            timestamp: 1_318_622_958,
            version: "1.0",
            signature: signature
        )
    }

    static let vectors: [Vector] = [
        tweet("1", "tnnArxj06cWHq44gCs1OSKk/jLY="), tweet("1.1", "hCtSmYh+iHYCEqBWrE7C7hYmtUk="),
        Vector(
            testDescription: "RFC 5849 1.2 initiate",
            url: "https://photos.example.net/initiate",
            credentials: photos(nil, ""),
            nonce: "wIjqoS",
            timestamp: 137_131_200,
            extra: [Parameter("oauth_callback", "http://printer.example.com/ready")],
            signature: "74KNZJeDHnMBp0EMJ9ZHt/XKycU="
        ),
        Vector(
            testDescription: "RFC 5849 1.2 token",
            url: "https://photos.example.net/token",
            credentials: photos("hh5s93j4hdidpola", "hdhd0244k9j7ao03"),
            nonce: "walatlh",
            timestamp: 137_131_201,
            extra: [Parameter("oauth_verifier", "hfdp7dh39dks9884")],
            signature: "gKgrFCywp7rO0OXSjdot/IHF7IU="
        ),
        Vector(
            testDescription: "RFC 5849 1.2 photos",
            method: "GET",
            url: "http://photos.example.net/photos?file=vacation.jpg&size=original",
            credentials: photos("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00"),
            nonce: "chapoH",
            timestamp: 137_131_202,
            signature: "MdpQcU8iPSUjWoN/UDMsK2sui9I="
        ),
        Vector(
            testDescription: "OAuth Core 1.0 appendix A",
            method: "GET",
            url: "http://photos.example.net/photos?file=vacation.jpg&size=original",
            credentials: photos("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00"),
            nonce: "kllo9940pd9333jh",
            timestamp: 1_191_242_096,
            version: "1.0",
            signature: "tR3+Ty81lMeYAr/Fid0kMTYa/WM="
        ),
        Vector(
            testDescription: "OMB postNotice, empty consumer secret",
            url: "http://local.example/index.php/main/postnotice",
            parameters: [
                Parameter("omb_version", "http://openmicroblogging.org/protocol/0.1"),
                Parameter("omb_listenee", "http://remote.example/user/1"),
                Parameter("omb_notice", "http://remote.example/notice/7"),
                Parameter("omb_notice_content", "caf\u{E9} & *stars* ~ok"),
            ],
            credentials: OAuthCredentials(
                consumerKey: "http://remote.example/",
                consumerSecret: "",
                token: "tok",
                tokenSecret: "sec"
            ),
            nonce: "abc123",
            timestamp: 1_300_000_000,
            version: "1.0",
            signature: "idF9uem62DwNbIx+K9esArpnFhc="
        ),
        Vector(
            testDescription: "StatusNet's own OAuth.php",
            url: "http://r.example/p?x=1",
            parameters: [Parameter("omb_version", "v"), Parameter("a", "b c")],
            credentials: OAuthCredentials(consumerKey: "k", consumerSecret: "", token: "t", tokenSecret: "s"),
            nonce: "68d3e654c894265aa4e96510bb523e2d",
            timestamp: 1_795_531_821,
            version: "1.0",
            signature: "549cARPr+9s51s7EwRHMqkPtPbU="
        ),
    ]

    @Test("Published signatures come out", arguments: vectors)
    func published(vector: Vector) throws {
        let request = try #require(
            SignedRequest(
                method: vector.method,
                url: vector.url,
                parameters: vector.parameters,
                credentials: vector.credentials,
                nonce: vector.nonce,
                timestamp: vector.timestamp,
                extra: vector.extra,
                version: vector.version
            )
        )
        #expect(string(request.signature) == vector.signature)
        // Where everything is in the body, the body alone proves itself; the query is in it, so the URL goes without.
        let url = try #require(BaseURI(vector.url)).withoutQuery
        let secrets = vector.credentials
        func isSigned(_ form: [UInt8], _ tokenSecret: String) -> Bool {
            SignedRequest.isSigned(
                form: form,
                method: vector.method,
                url: url,
                consumerSecret: secrets.consumerSecret,
                tokenSecret: tokenSecret
            )
        }
        #expect(isSigned(request.formBody, secrets.tokenSecret))
        #expect(!isSigned(request.formBody, "another"))
        #expect(!isSigned(request.formBody + Array("&more=1".utf8), secrets.tokenSecret))
        #expect(!isSigned(Array("a=b".utf8), secrets.tokenSecret))
    }

    @Test("StatusNet's base string has the query's parameter among the others")
    func statusNet() throws {
        let vector = try #require(Self.vectors.last)
        let request = try #require(
            SignedRequest(
                method: "POST",
                url: vector.url,
                parameters: vector.parameters,
                credentials: vector.credentials,
                nonce: vector.nonce,
                timestamp: vector.timestamp
            )
        )
        #expect(
            string(request.baseString)
                == "POST&http%3A%2F%2Fr.example%2Fp&a%3Db%2520c%26oauth_consumer_key%3Dk%26oauth_nonce%3D"
                + "68d3e654c894265aa4e96510bb523e2d%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1795531821"
                + "%26oauth_token%3Dt%26oauth_version%3D1.0%26omb_version%3Dv%26x%3D1"
        )
    }

    @Test("The header holds the protocol's parameters, quoted, and a realm's quotes are escaped")
    func header() throws {
        let request = try #require(
            SignedRequest(
                method: "POST",
                url: "https://photos.example.net/initiate",
                credentials: Self.photos(nil, ""),
                nonce: "wIjqoS",
                timestamp: 137_131_200,
                extra: [Parameter("oauth_callback", "http://printer.example.com/ready")],
                version: nil
            )
        )
        #expect(
            request.authorizationHeader(realm: "a \"b\"") == "OAuth realm=\"a \\\"b\\\"\", "
                + "oauth_callback=\"http%3A%2F%2Fprinter.example.com%2Fready\", oauth_consumer_key=\"dpf43f3p2l4k3l03\", "
                + "oauth_nonce=\"wIjqoS\", oauth_signature=\"74KNZJeDHnMBp0EMJ9ZHt%2FXKycU%3D\", "
                + "oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"137131200\""
        )
        #expect(request.authorizationHeader().hasPrefix("OAuth oauth_callback="))
    }

    @Test(
        "Base64 of every remainder",
        arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
    )
    func base64(text: String, encoded: String) {
        #expect(Array(text.utf8).withUnsafeBytes { string(Signature.base64($0)) } == encoded)
    }

    @Test("A bad URL is no request")
    func badURL() {
        #expect(
            SignedRequest(method: "GET", url: "nowhere", credentials: Self.twitter, nonce: "n", timestamp: 1) == nil
        )
        #expect(!SignedRequest.isSigned(form: [], method: "GET", url: "nowhere", consumerSecret: "", tokenSecret: ""))
    }
}
