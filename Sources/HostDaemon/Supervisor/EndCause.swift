// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How a process ended, from its wait status; told to people and to the broker, which makes dead letters' reasons of it.
enum EndCause: Hashable, Sendable, CustomStringConvertible {
    case exited(status: Int32)
    case killed(signal: Int32)

    /// As `waitpid` gives it: the low seven bits are the signal, the second byte the exit status (wait(2)).
    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7F
        self = signal == 0 ? .exited(status: (waitStatus >> 8) & 0xFF) : .killed(signal: signal)
    }

    var isClean: Bool { self == .exited(status: 0) }

    /// A fixed word for metrics: `exit` or the signal's name.
    var label: String {
        switch self {
        case .exited: "exit"
        case .killed(let signal): Self.names[signal] ?? "signal"
        }
    }

    var description: String {
        switch self {
        case .exited(let status): "exit status \(status)"
        case .killed(let signal):
            "signal \(signal)" + (strsignal(signal).map { " (\(String(cString: $0)))" } ?? "")
        }
    }

    private static let names: [Int32: String] = [
        SIGABRT: "abort", SIGBUS: "bus", SIGFPE: "fpe", SIGILL: "ill", SIGKILL: "kill", SIGSEGV: "segv",
        SIGTERM: "term", SIGTRAP: "trap", SIGXCPU: "xcpu",
    ]
}
