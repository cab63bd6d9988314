// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// `queuectl notice` for people.
struct NoticeView {
    let now: Date

    func headline(_ notice: JSONValue, in terminal: Terminal) -> String {
        let name = DisplayText(Self.name(of: notice)).text
        let site = DisplayText(notice["site"]?.string ?? "?").text
        let targets = notice["targets"]
        let figures: [(word: String, ink: Ink)] = [
            ("delivered", .good), ("waiting", .warning), ("retrying", .warning), ("dead", .bad),
        ]
        let counts = figures.map { word, ink in
            let count = targets?[word]?.int ?? 0
            return terminal.paint("\(Figures.count(count)) \(word)", count == 0 ? .dim : ink)
        }
        return terminal.paint("Notice \(name) of \(site)", .bold) + "\n" + counts.joined(separator: " · ") + "\n"
    }

    /// One page of its items; `widths` are those of the page before.
    func page(_ items: [JSONValue], after widths: [Int]) -> Table {
        var table = Table(
            [
                .init(title: "QUEUE"), .init(title: "TARGET", cut: .middle), .init(title: "STATE"),
                .init(title: "ATTEMPTS", alignment: .trailing), .init(title: "NEXT ATTEMPT"),
                .init(title: "REASON", cut: .end),
            ],
            widths: widths
        )
        for item in items {
            let state = item["state"]?.string
            table.add([
                .init(item["queue"]?.string), .init(item["target"]?.string), .init(state, state.flatMap(Self.ink)),
                .init(count: item["attempts"]?.int),
                .init(item["next_attempt"]?.string.map { Figures.upcoming($0, now: now) }),
                .init(Self.reason(of: item)),
            ])
        }
        return table
    }

    /// A number or a URI.
    static func name(of notice: JSONValue) -> String {
        notice["notice"]?.string ?? notice["notice"]?.int.map(String.init) ?? "?"
    }

    /// The word and the sentence, as far as there are any.
    private static func reason(of item: JSONValue) -> String {
        [item["reason"]?.string, item["text"]?.string].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: ": ")
    }

    private static func ink(_ state: String) -> Ink? {
        switch state {
        case "delivered": .good
        case "dead", "discarded": .bad
        default: .warning
        }
    }
}
