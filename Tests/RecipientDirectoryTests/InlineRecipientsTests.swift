// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@testable import RecipientDirectory

@Suite struct InlineRecipientsTests {
    private let omb = PluginName(unchecked: "omb")

    private func parse(_ frame: String) throws -> InlineRecipients? {
        try Array(frame.utf8).withUnsafeBytes { try InlineRecipients.parse($0, plugin: omb) }
    }

    @Test("A frame's own recipients are those of the plugin, in order, the last of equal ones")
    func ownRecipients() throws {
        let inline = try #require(
            try parse(
                """
                {"id": 1, "recipients": [
                  {"plugin": "omb", "author": "a", "target": "t2", "credentials": {"token": "x"}},
                  {"plugin": "twitter", "author": "a", "target": "9"},
                  {"plugin": "omb", "author": "a", "target": "t1", "key": "k"},
                  {"plugin": "omb", "author": "a", "target": "t2", "options": {"o": 1}}]}
                """
            )
        )
        let page = try inline.page(author: nil, after: [], limit: 10)
        #expect(
            page.rows == [
                Recipient(author: "a", target: "t1", key: "k"),
                Recipient(author: "a", target: "t2", options: "{\"o\":1}"),
            ]
        )
        #expect(page.next.isEmpty)
        #expect(inline.get(author: "a", target: "t1").count == 1)
        #expect(inline.get(author: "b", target: "t1").isEmpty)
    }

    @Test(
        "Without a list, or with one for other plugins, the directory counts",
        arguments: [
            "", "  ", "{}", "not json", #"OMB1 {"recipients":[]}"#, #"["recipients"]"#,
            #"{"content":"the \"recipients\" are"}"#, #"{"recipients":null}"#,
            #"{"tags":["recipients"]}"#,
            #"{"recipients":[{"plugin":"x","author":"a","target":"t"}]}"#, #"{"object":{"recipients":[1]}}"#,
        ]
    )
    func none(frame: String) throws {
        #expect(try parse(frame) == nil)
    }

    @Test("An empty list means nobody")
    func nobody() throws {
        let inline = try #require(try parse(#"{"recipients":[]}"#))
        #expect(inline.count == 0)
        #expect(try inline.page(author: nil, after: [], limit: 5) == RecipientPage())
    }

    @Test(
        "A wrong list is refused with its reason",
        arguments: [
            (#"{"recipients":{}}"#, "recipients: is not a list"),
            (#"{"recipients":[1]}"#, "recipient: is not a JSON object"),
            (#"{"recipients":[{"plugin":"omb"}]}"#, "author: is missing"), (#"{"recipients":["#, "frame: is not JSON"),
            ("\u{FEFF}\n { \"recipients\": 7}", "recipients: is not a list"),
        ]
    )
    func wrong(frame: String, reason: String) {
        let error = #expect(throws: RecipientDirectoryError.self) { try parse(frame) }
        #expect(error?.description == reason)
    }
}
