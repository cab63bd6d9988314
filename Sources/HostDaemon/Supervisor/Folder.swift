// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A folder that the configuration names.
enum Folder {
    struct Failure: Error, Hashable {
        /// For people, without the path.
        let reason: String
    }

    /// Creates it (0700) where there is none; what it is, where it is a folder.
    static func made(_ path: String) throws(Failure) -> stat {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            let hint = errno == ENOENT ? " (create the directory above it)" : ""
            throw Failure(reason: systemReason(errno) + hint)
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw Failure(reason: systemReason(errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure(reason: "it is not a directory") }
        return status
    }
}
