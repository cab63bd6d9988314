// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import OAuth1

@Suite struct PercentEncodingTests {
    @Test(
        "Unreserved characters stay, all else becomes upper-case escapes of its UTF-8",
        arguments: [
            ("", ""), ("abcABC123-._~", "abcABC123-._~"), ("%", "%25"), ("+", "%2B"), ("&=*", "%26%3D%2A"),
            ("\n", "%0A"), (" ", "%20"), ("\u{7F}", "%7F"), ("\u{80}", "%C2%80"), ("\u{3001}", "%E3%80%81"),
            ("Ladies + Gentlemen", "Ladies%20%2B%20Gentlemen"), ("\u{2603}", "%E2%98%83"),
            ("\u{1F600}", "%F0%9F%98%80"),
        ]
    )
    func encodes(text: String, encoded: String) {
        #expect(string(PercentEncoding.encode(text)) == encoded)
        var twice: [UInt8] = []
        PercentEncoding.appendTwice(text.utf8, to: &twice)
        #expect(twice == PercentEncoding.encode(encoded))
        #expect(string(PercentEncoding.decodeForm(PercentEncoding.encode(text))) == text)
    }

    @Test(
        "Decoding takes + for a space and leaves what is no escape",
        arguments: [("a+b%2bc", "a b+c"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%C3%a9", "\u{E9}")]
    )
    func decodes(form: String, text: String) { #expect(string(PercentEncoding.decodeForm(Array(form.utf8))) == text) }

    @Test("Parameters sort by encoded name, then value, a shorter name first")
    func sorts() {
        let sorted = [
            Parameter("a-b", "1"), Parameter("a", "2"), Parameter("a", "10"), Parameter("a%", "0"), Parameter("A", "9"),
            Parameter("\u{E9}", "x"),
        ].sorted()
        #expect(string(Parameter.join(sorted)) == "%C3%A9=x&A=9&a=10&a=2&a%25=0&a-b=1")
    }

    @Test("A form is parsed field by field; an empty field is none, a field without = has an empty value")
    func parses() {
        let parameters = Parameter.parse(form: Array("b5=%3D%253D&a3=a&&c%40=&c2&a3=2+q&x=1=2".utf8))
        #expect(string(Parameter.join(parameters)) == "b5=%3D%253D&a3=a&c%40=&c2=&a3=2%20q&x=1%3D2")
    }
}

func string(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
