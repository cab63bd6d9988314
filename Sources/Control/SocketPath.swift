// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What both ends of a Unix socket check of its path before they use it.
enum SocketPath {
    /// `sockaddr_un.sun_path` has 108 bytes, one of them for the NUL.
    static let limit = 107

    static func check(_ path: String) throws(ControlError) {
        guard path.utf8.count <= limit else { throw .pathTooLong(path: path, limit: limit) }
    }

    /// Of a socket that is there; anything else is thrown.
    static func status(_ path: String) throws(ControlError) -> stat {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw errno == ENOENT || errno == ENOTDIR
                ? .notRunning(path: path) : .failed(path: path, reason: words(errno))
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        return status
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func words(_ code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        return String(cString: text)
    }
}
