// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import HostConfig

/// docs/config.md against the reader.
@Suite struct DocumentationTests {
    let text: String

    init() throws {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        text = try String(contentsOf: package.appendingPathComponent("docs/config.md"), encoding: .utf8)
    }

    /// The first cells of the tables below a heading, where they hold a key in backquotes.
    private func documentedKeys(below heading: String) throws -> [String] {
        let start = try #require(text.range(of: "\n## \(heading)\n")).upperBound
        let section = text[start...].prefix(upTo: text[start...].range(of: "\n## ")?.lowerBound ?? text.endIndex)
        return section.split(separator: "\n").compactMap { line in
            line.hasPrefix("| `") ? line.dropFirst(3).split(separator: "`").first.map(String.init) : nil
        }
    }

    @Test("docs/config.md lists every key of hostd.yaml, in order, and no other")
    func hostKeys() throws {
        #expect(try documentedKeys(below: "hostd.yaml") == HostConfig.knownKeys)
    }

    @Test("docs/config.md lists every key of a site's file, in order, and no other")
    func siteKeys() throws {
        #expect(try documentedKeys(below: "sites.d/NICK.yaml") == SiteConfig.knownKeys)
    }

    @Test("The example of docs/config.md holds every key, with the real default")
    func example() throws {
        let start = try #require(text.range(of: "```yaml\n")).upperBound
        let end = try #require(text[start...].range(of: "```")).lowerBound
        let example = String(text[start..<end])
        var config = try HostConfig.parse(example, file: "/x/hostd.yaml", environment: { _ in nil })
        config.file = nil
        #expect(config == HostConfig(folder: "/x"))
        for key in HostConfig.knownKeys {
            let last = try #require(key.split(separator: ".").last)
            #expect(example.contains("\(last): "), "\(key)")
        }
    }

    @Test("The defaults in the table are those of the example")
    func tableDefaults() throws {
        let start = try #require(text.range(of: "```yaml\n")).upperBound
        let end = try #require(text[start...].range(of: "```")).lowerBound
        var section = ""
        var defaults: [String: String] = [:]
        for line in text[start..<end].split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if !line.hasPrefix(" ") { section = "" }
            if parts.count == 1 || parts[1].isEmpty {
                section = parts[0] + "."
            } else {
                defaults[section + parts[0]] = parts[1]
            }
        }
        for key in HostConfig.knownKeys {
            let row = try #require(text.split(separator: "\n").first { $0.hasPrefix("| `\(key)` |") })
            let cell = row.split(separator: "|")[2].trimmingCharacters(in: .whitespaces)
            #expect(cell == defaults[key].map { "`\($0)`" }, "\(key)")
        }
    }

    @Test("docs/config.md says of every key what a change of it needs, as a reload does")
    func changes() throws {
        #expect(HostKey.all.map(\.name) == HostConfig.knownKeys)
        for key in HostKey.all {
            let row = try #require(text.split(separator: "\n").first { $0.hasPrefix("| `\(key.name)` |") })
            let cell = row.split(separator: "|").last?.trimmingCharacters(in: .whitespaces)
            #expect(cell == key.change.rawValue, "\(key.name)")
        }
    }
}
