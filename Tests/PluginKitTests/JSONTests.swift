// SPDX-License-Identifier: Apache-2.0

import PluginKit
import Testing

@Suite struct JSONTests {
    @Test(
        "What is JSON comes out as it went in, order and numbers included",
        arguments: [
            "null", "true", "false", "0", "-0", "12345678901234567890123", "-1.50e+10", "\"\"", "[]", "{}",
            "[1,[2,[3]]]",
            "{\"b\":1,\"a\":{\"c\":[null,\"x\"]}}", "\"\u{E9}\u{1F600}\"", "\"\\\"\\\\\\n\\t\\r\\u0001\"",
        ]
    )
    func roundTrip(text: String) throws { #expect(try JSON(parsing: Array(text.utf8)).text == text) }

    @Test("Escapes are resolved, surrogate pairs too")
    func escapes() throws {
        let json = try JSON(parsing: Array(#" {"a\u0062" : "\/\b\f\u00e9\ud83d\ude00"} "#.utf8))
        #expect(json["ab"] == "/\u{8}\u{C}\u{E9}\u{1F600}")
    }

    @Test("Members are read by type; of two with one name the last counts")
    func members() throws {
        let json = try JSON(parsing: Array(#"{"a":1,"a":2,"b":true,"c":1.5,"d":[1],"e":null,"f":"t"}"#.utf8))
        #expect(json["a"]?.int == 2 && json["b"]?.bool == true && json["c"]?.double == 1.5 && json["c"]?.int == nil)
        #expect(json["d"]?.array == [1] && json["e"]?.isNull == true && json["f"]?.string == "t" && json["g"] == nil)
        #expect(
            json["f"]?["x"] == nil
                && json == ["a": 1, "a": 2, "b": true, "c": .number("1.5"), "d": [1], "e": .null, "f": "t"]
        )
    }

    @Test(
        "What isn't JSON is refused at its byte",
        arguments: [
            ("", 0), (" ", 1), ("nul", 0), ("truth", 0), ("01", 2), ("-", 1), ("1.", 2), ("1e", 2), ("+1", 0),
            (".5", 0),
            ("\"", 1), ("\"a\nb\"", 2), ("\"\\x\"", 3), ("\"\\u12\"", 3), ("\"\\ud83d\"", 7), ("\"\\ude00x\"", 7),
            ("\"\\ud83d\\u0041\"", 13), ("[1", 2), ("[1,]", 3), ("[1 2]", 3), ("{\"a\"}", 4), ("{\"a\":}", 5),
            ("{a:1}", 1),
            ("{\"a\":1,}", 7), ("1 1", 2), ("[]]", 2), ("\u{FEFF}\u{FEFF}1", 3),
        ]
    )
    func refuses(text: String, offset: Int) {
        #expect { try JSON(parsing: Array(text.utf8)) } throws: { ($0 as? JSONError)?.offset == offset }
    }

    @Test("Bytes that aren't UTF-8, and endless nesting, are refused; a byte order mark isn't")
    func hostile() throws {
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xC3, 0x28, 0x22]) }
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xED, 0xA0, 0x80, 0x22]) }
        #expect(throws: JSONError.self) { try JSON(parsing: Array(repeating: UInt8(ascii: "["), count: 1_000_000)) }
        #expect(throws: JSONError.self) { try JSON(parsing: Array(String(repeating: "{\"a\":", count: 65).utf8)) }
        #expect(try JSON(parsing: [0xEF, 0xBB, 0xBF, 0x31]).int == 1)
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(try JSON(parsing: Array(deep.utf8)).text == deep)
    }
}
