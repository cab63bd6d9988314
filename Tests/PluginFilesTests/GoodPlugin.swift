// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

/// A plugin file without fault, built once for all tests of this target.
enum GoodPlugin {
    private static let build = Task {
        let folder = try TemporaryDirectory()
        try await CPlugin.build("variant", to: folder.file("good.so"))
        return [UInt8](try Data(contentsOf: URL(filePath: folder.file("good.so"))))
    }

    static var bytes: [UInt8] { get async throws { try await build.value } }

    /// Writes a copy, changed by `edit`.
    static func write(to path: String, mode: Int = 0o644, _ edit: (inout [UInt8]) -> Void = { _ in }) async throws {
        var bytes = try await bytes
        edit(&bytes)
        try write(bytes, to: path, mode: mode)
    }

    static func write(_ bytes: [UInt8], to path: String, mode: Int = 0o644) throws {
        try Data(bytes).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    /// The offset of the note's description: name and header are before it.
    static var noteOffset: Int {
        get async throws {
            let name: [UInt8] = Array("hostd\0\0\0".utf8)
            let bytes = try await bytes
            let start = bytes.indices.dropLast(132).first { bytes[$0..<$0 + 8].elementsEqual(name) }
            guard let start else {
                throw TestSupportError.cannotCreate("a plugin with a note", reason: "no note found")
            }
            return start + 8
        }
    }
}
