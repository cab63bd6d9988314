// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// What an answer says is wrong: v1.1's `{"errors": [{"code", "message"}]}`, v2's `{"title", "detail", "type"}`, or the
/// older `{"error": "..."}`.
struct TwitterProblem {
    let codes: [Int]
    /// For people; from the remote side, so cut.
    let text: String
    let type: String
    /// False where the answer isn't Twitter's: HTML of something that stands before it.
    let isJSON: Bool

    init(_ response: HTTPResponse) {
        let json = try? JSON(parsing: response.body)
        if case .object? = json { isJSON = true } else { isJSON = false }
        let errors = json?["errors"]?.array ?? []
        codes = errors.compactMap { $0["code"]?.int } + [json?["error"]?["code"]?.int].compactMap(\.self)
        type = json?["type"]?.string ?? errors.first?["type"]?.string ?? ""
        var words = errors.compactMap { $0["message"]?.string ?? $0["detail"]?.string }
        words += [json?["title"], json?["detail"], json?["error"], json?["error_description"]].compactMap { $0?.string }
        var seen: Set<String> = []
        let said = words.filter { seen.insert($0).inserted }.joined(separator: "; ")
        let code = codes.first.map { " (code \($0))" } ?? ""
        let what = isJSON ? said.isEmpty ? "" : ": \(said.prefix(300))" : ", and no JSON"
        text = "Twitter answered HTTP \(response.status)\(code)\(what)"
    }

    func says(_ words: String) -> Bool { text.lowercased().contains(words) }
}
