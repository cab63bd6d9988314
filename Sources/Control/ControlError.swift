// SPDX-License-Identifier: Apache-2.0

/// Why a control socket could not be used, in the one line that a user reads.
package enum ControlError: Error, Hashable, CustomStringConvertible {
    /// No socket, or one that nobody listens on.
    case notRunning(path: String)
    case notASocket(path: String)
    /// It belongs to somebody else: nothing is sent there.
    case foreign(path: String, owner: UInt32)
    /// `sockaddr_un` has no room for it.
    case pathTooLong(path: String, limit: Int)
    case failed(path: String, reason: String)
    /// The other end went away before it answered.
    case closed(command: String)
    case timedOut(command: String, after: Duration)
    /// The other end's own line of why not.
    case refused(String)
    case malformed(String)

    package var description: String {
        switch self {
        case .notRunning(let path):
            "hostd isn't running (no socket at \(path)): start it with `hostd --config FILE`, or name its "
                + "configuration with --config"
        case .notASocket(let path): "\(path) is not a socket: move it away, then start hostd again"
        case .foreign(let path, let owner):
            "\(path) belongs to user id \(owner), not to you: refused; run this command as hostd's user or as root"
        case .pathTooLong(let path, let limit):
            "\(path) is \(path.utf8.count) bytes long, a socket's path may have \(limit): choose a shorter state_dir"
        case .failed(let path, let reason): "\(path): \(reason)"
        case .closed(let command): "hostd closed the connection before it answered `\(command)`: see its log"
        case .timedOut(let command, let limit): "no answer to `\(command)` within \(limit.components.seconds) s"
        case .refused(let line): line
        case .malformed(let text): text
        }
    }
}
