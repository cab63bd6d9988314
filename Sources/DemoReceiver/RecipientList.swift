// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// The receiver's targets as lines for `queuectl recipients import`, with the tokens that it expects.
struct RecipientList {
    let port: Int
    let closedPort: Int
    let targets: Int
    /// The last so many of the targets refuse connections.
    let dead: Int
    let author: String

    private struct Line: Encodable {
        struct Credentials: Encodable {
            let token: String
            let secret: String
        }
        let plugin = "omb"
        let author: String
        let target: String
        let credentials: Credentials
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let file = try AppendOnlyFile(path: path, truncating: true)
        defer { file.close() }
        guard targets > 0 else { return }
        for number in 1...targets {
            let port = number > targets - dead ? closedPort : port
            let line = Line(
                author: author,
                target: "http://127.0.0.1:\(port)/omb/\(number)/postnotice",
                credentials: .init(token: Credential.token(of: number), secret: Credential.secret(of: number))
            )
            try file.append(String(decoding: encoder.encode(line), as: UTF8.self))
        }
    }
}

/// What a target's subscription was granted, derived from its number.
enum Credential {
    static func token(of target: Int) -> String { "t\(target)" }
    static func secret(of target: Int) -> String { "s\(target)" }
}
