// SPDX-License-Identifier: Apache-2.0
import Glibc

/// `queue.dead_letter_dir`: there and writable before anything is to be written, or hostd says what is wrong.
enum DeadLetterDirectory {
    /// Creates it (0700) where there is none; its mode is left alone where there is one.
    static func prepare(_ path: String?) throws(SupervisorError) {
        guard let path else { return }
        do throws(Folder.Failure) {
            _ = try Folder.made(path)
        } catch {
            throw .deadLetterDirectory(path, reason: error.reason)
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw .deadLetterDirectory(path, reason: systemReason(errno))
        }
    }
}
