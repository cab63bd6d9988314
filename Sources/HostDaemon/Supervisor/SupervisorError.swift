// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What keeps hostd from starting, or one of its processes; `description` is the line that the user reads.
package enum SupervisorError: Error, Hashable, CustomStringConvertible {
    case stateDirectory(String, reason: String)
    case stateDirectoryForeign(String, owner: UInt32)
    case deadLetterDirectory(String, reason: String)
    case alreadyRunning(stateDirectory: String, pid: String)
    case spawn(String, reason: String)
    case externalBrokers(file: String)
    case watch(String, reason: String)
    /// A socket of the broker.
    case listen(String)

    package var description: String {
        switch self {
        case .stateDirectory(let path, let reason): "\(path): state_dir can't be used: \(reason)"
        case .stateDirectoryForeign(let path, let owner):
            "\(path): state_dir belongs to user id \(owner), not to the user that runs hostd: choose another, or chown it"
        case .deadLetterDirectory(let path, let reason):
            "\(path): queue.dead_letter_dir can't be used: \(reason)"
        case .alreadyRunning(let path, let pid):
            "\(path): another hostd (pid \(pid)) runs on this state_dir: stop it with `queuectl stop`, or give this one "
                + "a state_dir of its own"
        case .spawn(let what, let reason): "\(what) can't be started: \(reason)"
        case .watch(let path, let reason):
            "\(path): can't be watched (\(reason)): after a change of a plugin use `queuectl restart`"
        case .listen(let reason): "the broker can't listen on \(reason): is the port taken? see queue.listen"
        case .externalBrokers(let file):
            "\(file): stomp.servers: this version works with its embedded broker only; remove the key"
        }
    }
}

/// A system call's error in words.
func systemReason(_ code: Int32) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
