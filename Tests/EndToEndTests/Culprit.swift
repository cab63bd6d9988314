// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

/// An installation of the fixture `culprit`, which does its worker harm where it is told to, and the file that it writes.
struct Culprit: Sendable {
    let installation: Installation
    private var out: String { installation.directory.file("out") }

    /// Site `demo`, with `keys` besides the file's name.
    init(workers: Int = 2, queue: [String] = [], workersMore: [String] = [], keys: String = "") throws {
        installation = try Installation(.init(workers: workers, workersMore: workersMore, queue: queue, plugins: [:]))
        try writeSite(Installation.site, keys: keys)
    }

    func writeSite(_ name: String, keys: String = "") throws {
        let more = keys.isEmpty ? "" : ", " + keys
        try installation.writeSite(name, plugins: ["culprit": "{ enabled: true, out: \"\(out)\"\(more) }"])
    }

    func install(macros: [String: String] = [:]) async throws {
        // A macro's value is a C string.
        try await installation.installC("culprit", as: "culprit.so", macros: macros.mapValues { "\"\($0)\"" })
    }

    /// The lines that were delivered; one that is being written isn't there yet.
    var lines: [String] {
        let text = FileManager.default.contents(atPath: out).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    func enqueue(_ lines: [String], queue: String = "lines", site: String = Installation.site) async throws {
        try await installation.enqueue(queue, lines.joined(separator: "\n"), site: site)
    }

    /// Waits until each of these lines was delivered.
    func delivered(_ wanted: [String], within limit: Duration = .seconds(120)) async throws {
        let wanted = Set(wanted)
        do {
            try await eventually("all lines", within: limit, every: .milliseconds(100)) {
                wanted.isSubset(of: Set(lines))
            }
        } catch {
            let missing = wanted.subtracting(lines)
            throw TestSupportError.missing("\(missing.count) lines, such as '\(missing.first ?? "")'; \(error)")
        }
    }

    /// Waits for so many dead letters; returns them by target.
    func dead(_ count: Int, within limit: Duration = .seconds(120)) async throws -> [String: JSON] {
        try await eventually("\(count) dead letters", within: limit, every: .milliseconds(200)) {
            try await installation.json("dead", "list").list.count >= count
        }
        let letters = try await installation.json("dead", "list").list
        return Dictionary(letters.map { ($0["target"].text ?? "", $0) }) { $1 }
    }
}
