// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Who may change a file or a folder.
///
/// Plugins are code with hostd's rights, so only root and hostd's own user may.
package enum FileRights {
    package static var hostUser: UInt32 { geteuid() }

    static func isTrusted(owner: UInt32) -> Bool { owner == 0 || owner == hostUser }
    static func isWritableByOthers(mode: UInt32) -> Bool { mode & (S_IWGRP | S_IWOTH) != 0 }

    /// The first fault of a folder or of one above it, nil if nobody but root and us can put a file there.
    ///
    /// A link's own place counts as much as where it leads. Above the folder a sticky one of root's is fine, as a system's
    /// temporary one: nobody can replace what is ours in it.
    package static func fault(ofFolder path: String, mayBeMissing: Bool = false) -> FolderFault? {
        guard let real = resolved(path) else {
            guard mayBeMissing, errno == ENOENT, path != "/", !path.isEmpty else {
                return FolderFault(folder: path, kind: .unreadable(String(errorNumber: errno)))
            }
            return fault(ofFolder: parent(of: path), mayBeMissing: true)
        }
        let places = path.hasPrefix("/") && path != real ? [real, path] : [real]
        for place in places {
            var folder = place
            while true {
                if let kind = faultKind(of: folder, isLeaf: folder == place) {
                    return FolderFault(folder: folder, kind: kind)
                }
                if folder == "/" { break }
                folder = parent(of: folder)
            }
        }
        return nil
    }

    private static func faultKind(of folder: String, isLeaf: Bool) -> FolderFault.Kind? {
        var status = stat()
        guard stat(folder, &status) == 0 else { return .unreadable(String(errorNumber: errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return .notAFolder }
        guard isTrusted(owner: status.st_uid) else { return .owner(status.st_uid) }
        if isWritableByOthers(mode: status.st_mode) {
            let isSharedSafely = !isLeaf && status.st_uid == 0 && status.st_mode & S_ISVTX != 0
            return isSharedSafely ? nil : .writable(mode: status.st_mode & 0o7777)
        }
        return nil
    }

    private static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.dropLast(path.hasSuffix("/") ? 1 : 0).lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// What is wrong with a folder.
package struct FolderFault: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case unreadable(String)
        case notAFolder
        case owner(UInt32)
        case writable(mode: UInt32)
    }

    package let folder: String
    package let kind: Kind

    package init(folder: String, kind: Kind) {
        self.folder = folder
        self.kind = kind
    }

    package var description: String {
        switch kind {
        case .unreadable(let why): "folder \(folder): found \"\(why)\", wanted one that can be read"
        case .notAFolder: "folder \(folder): found a file, wanted a folder"
        case .owner(let uid): "folder \(folder): owner: found uid \(uid), wanted root or uid \(FileRights.hostUser)"
        case .writable(let mode):
            "folder \(folder): mode: found \(String(mode, radix: 8)), wanted no write for group and others "
                + "(chmod \(String(mode & 0o755, radix: 8)))"
        }
    }
}

extension String {
    /// The C library's words for an error number.
    package init(errorNumber: Int32) {
        self = strerror(errorNumber).map { String(cString: $0) } ?? "error \(errorNumber)"
    }
}
