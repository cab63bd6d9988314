// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import OAuth1

@Suite struct BaseStringTests {
    @Test(
        "A URL is brought into the form that both sides sign",
        arguments: [
            ("http://EXAMPLE.COM:80/r%20v/X?id=123", "http://example.com/r%20v/X"),
            ("https://www.example.net:8080/?q=1", "https://www.example.net:8080/"),
            ("http://example.com/r v/X", "http://example.com/r%20v/X"),
            ("HTTPS://Example.com:443", "https://example.com/"),
            ("http://x:443/", "http://x:443/"), ("https://x:80/", "https://x:80/"), ("http://x:/p", "http://x/p"),
            ("http://user:pa%40ss@h.example/p#f?no", "http://h.example/p"), ("http://x?a=b", "http://x/"),
            ("http://[::1]:80/p", "http://[::1]/p"), ("http://[2001:DB8::1]/p", "http://[2001:db8::1]/p"),
            ("http://x/\u{E9}", "http://x/%C3%A9"), ("http://x/a;b=c:d@e!$'()*,~", "http://x/a;b=c:d@e!$'()*,~"),
        ]
    )
    func normalises(url: String, base: String) throws {
        #expect(string(try #require(BaseURI(url)).text) == base)
    }

    @Test("Query and fragment leave the URL; the query's parameters are kept")
    func query() throws {
        let uri = try #require(BaseURI("http://r.example/p?x=1&y=a+b#frag?z=2"))
        #expect(uri.withoutQuery == "http://r.example/p")
        #expect(uri.query == [Parameter("x", "1"), Parameter("y", "a b")])
    }

    @Test(
        "What isn't an absolute http or https URL is refused",
        arguments: [
            "", "http", "http:", "http://", "http:///p", "ftp://x/", "mailto:a@b", "//x/", "/p", "http://x:8a/",
            "http://a b/", "http://:80/",
        ]
    )
    func refuses(url: String) { #expect(BaseURI(url) == nil) }

    @Test("RFC 5849 section 3.4.1.1: the base string, byte for byte")
    func rfc() throws {
        let uri = try #require(BaseURI("http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b"))
        let parameters =
            Parameter.parse(form: Array("c2&a3=2+q".utf8)) + [
                Parameter("oauth_consumer_key", "9djdj82h48djs9d2"), Parameter("oauth_token", "kkk9d7dh3k39sjv7"),
                Parameter("oauth_signature_method", "HMAC-SHA1"), Parameter("oauth_timestamp", "137131201"),
                Parameter("oauth_nonce", "7d8f3e4a"),
            ]
        let base = BaseString.make(method: "POST", uri: uri, parameters: parameters)
        #expect(
            string(base)
                == "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D"
                + "%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a"
                + "%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        )
        // The RFC prints bYT5CMsGcbgUdFHObYMEfcx6bsw=, which belongs to another base string (an erratum).
        let key = Signature.key(consumerSecret: "j49sk3j29djd", tokenSecret: "dh893hdasih9")
        #expect(string(Signature.make(base, key: key)) == "r6/TJjbCOr97/+UU0NsvSne7s5g=")
    }
}
