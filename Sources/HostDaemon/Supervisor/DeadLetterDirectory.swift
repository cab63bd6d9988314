// SPDX-License-Identifier: Apache-2.0
import Glibc

/// `queue.dead_letter_dir`: there and writable before anything is to be written, or hostd says what is wrong.
enum DeadLetterDirectory {
    /// Creates it (0700) where there is none; its mode is left alone where there is one.
    static func prepare(_ path: String?) throws(SupervisorError) {
        guard let path else { return }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            let hint = errno == ENOENT ? " (create the directory above it)" : ""
            throw .deadLetterDirectory(path, reason: systemReason(errno) + hint)
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw .deadLetterDirectory(path, reason: systemReason(errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .deadLetterDirectory(path, reason: "it is not a directory")
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw .deadLetterDirectory(path, reason: systemReason(errno))
        }
    }
}
