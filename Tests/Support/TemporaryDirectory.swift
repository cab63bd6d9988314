// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A directory of a test's own, mode 0700, removed with everything in it when the value goes away.
///
/// Its path is short, so that a Unix socket (at most 107 bytes) fits below it. Keep the value alive for as long as the
/// directory is needed: `let directory = try TemporaryDirectory()` and `directory.file("store.db")`.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        var template = Array(FileManager.default.temporaryDirectory.appending(path: "hostd-XXXXXX").path.utf8CString)
        guard mkdtemp(&template) != nil else {
            throw TestSupportError.cannotCreate("a temporary directory", reason: String(cString: strerror(errno)))
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of `name` below the directory; nothing is created.
    package func file(_ name: String) -> String { path + "/" + name }

    /// Writes `text` to `name` below the directory, with the folders in between, and returns its path.
    @discardableResult
    package func write(_ text: String, to name: String, mode: Int = 0o600) throws -> String {
        let url = URL(filePath: file(name))
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: url.path)
        return url.path
    }
}
