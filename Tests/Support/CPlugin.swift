// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Builds the C plugins of Tests/Fixtures/plugins as a third party would: with cc and the ABI's header alone.
package enum CPlugin {
    /// The command line that hostd_plugin.h documents, without the include folder and the files.
    package static let flags = [
        "-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,defs", "-Wl,-z,nodelete", "-Wl,-z,relro",
        "-Wl,-z,now",
    ]

    /// The package's folder.
    package static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    package static var includeFolder: String { root + "/Sources/PluginABI/include" }
    package static func fixture(_ name: String) -> String { "\(root)/Tests/Fixtures/plugins/\(name).c" }

    /// Compiles `source` (a fixture's name, or a path) to `path`, mode 0644.
    ///
    /// `macros` are defined before the first line.
    package static func build(
        _ source: String,
        to path: String,
        macros: [String: String] = [:],
        compiler: String = "cc",
        flags: [String] = flags,
        adding more: [String] = []
    ) async throws {
        let file = source.contains("/") ? source : fixture(source)
        let definitions = macros.sorted { $0.key < $1.key }.map { "-D\($0.key)=\($0.value)" }
        let result = try await ProcessRunner.run(
            compiler,
            flags + definitions + ["-I", includeFolder, "-o", path] + more + [file]
        )
        guard result.exit == .status(0) else {
            throw TestSupportError.cannotCreate(path, reason: "\(compiler) refused it: \(result.errors)")
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    }
}
