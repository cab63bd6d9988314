// SPDX-License-Identifier: Apache-2.0
import Glibc
import QueueCore

/// Looks through plugins.d: what can be loaded, and why the rest can't.
///
/// Called by the supervisor; reads files, runs none.
package enum PluginDirectory {
    package enum Finding: Sendable {
        case accepted(PluginFile)
        case refused(file: String, reason: PluginRefusal)

        /// The file's name in the folder.
        package var file: String {
            switch self {
            case .accepted(let file): file.name.rawValue + ".so"
            case .refused(let file, _): file
            }
        }
    }

    /// All files whose names end in `.so`, sorted; dot files, editors' backups and packagers' leftovers end otherwise.
    package static func scan(_ path: String) throws(PluginFilesError) -> [Finding] {
        if let fault = FileRights.fault(ofFolder: path) { throw .folder(path, fault: fault) }
        let findings = try names(in: path).compactMap { finding(path, $0) }
        return refusingSameIDs(findings)
    }

    /// nil where the file went away meanwhile.
    private static func finding(_ folder: String, _ name: String) -> Finding? {
        let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
        do throws(PluginRefusal) {
            return .accepted(try PluginFile(path: path))
        } catch {
            return error == .unreadable(String(errorNumber: ENOENT)) ? nil : .refused(file: name, reason: error)
        }
    }

    /// An id names a plugin's stored values and metrics: with two files neither can be meant.
    private static func refusingSameIDs(_ findings: [Finding]) -> [Finding] {
        var files: [String: [String]] = [:]
        for case .accepted(let file) in findings { files[file.note.id, default: []].append(file.name.rawValue + ".so") }
        return findings.map { finding in
            guard case .accepted(let file) = finding, let same = files[file.note.id], same.count > 1 else {
                return finding
            }
            let others = same.filter { $0 != finding.file }
            return .refused(file: finding.file, reason: .sameID(file.note.id, others: others))
        }
    }

    private static func names(in path: String) throws(PluginFilesError) -> [String] {
        guard let folder = opendir(path) else {
            throw .folder(path, fault: FolderFault(folder: path, kind: .unreadable(String(errorNumber: errno))))
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            // Unsafe: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".so"), !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}
