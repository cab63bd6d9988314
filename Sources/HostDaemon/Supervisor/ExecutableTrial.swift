// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig

/// Runs a new executable beside the old one, to see whether it could take over: a `--check` of the configuration that
/// also asks whether it reads this version's handover.
///
/// Blocks; called on a thread that may.
struct ExecutableTrial {
    enum Verdict: Hashable, Sendable {
        case canTakeOver(version: String)
        case refused(reason: String)
    }

    /// What a version that can take over says first, followed by its number.
    static let word = "hostd takes over: "
    private static let mostOutput = 64 << 10

    var path: String
    var arguments: [String]
    /// Plugins are tried in it too, and each may take its 5 s.
    var timeLimit = Duration.seconds(60)

    func run() -> Verdict {
        let child: ChildProcess
        do {
            child = try ChildProcess.spawn(
                ChildProcess.Program(path: path, arguments: ["hostd"]),
                arguments: arguments,
                environment: ChildProcess.environment(of: .broker),
                hearsOutput: true
            )
        } catch {
            return .refused(reason: "\(error)")
        }
        defer { close(child.descriptor) }
        let deadline = ContinuousClock.now + timeLimit
        let (text, isEnded) = output(of: child, until: deadline)
        var cause = isEnded ? end(of: child, until: deadline) : nil
        if cause == nil {
            child.kill()
            cause = end(of: child, until: .now + .seconds(10))
            return .refused(reason: "no answer within \(timeLimit.components.seconds) s")
        }
        return Self.verdict(text, cause ?? .exited(status: 0))
    }

    /// `--check`'s own lines say what is wrong; what isn't hostd says anything.
    static func verdict(_ output: String, _ cause: EndCause) -> Verdict {
        let lines = output.split(whereSeparator: \.isNewline).map(String.init)
        guard cause.isClean else {
            return .refused(reason: "\(cause)" + (lines.last.map { ": \(printable($0))" } ?? ""))
        }
        guard let line = lines.first(where: { $0.hasPrefix(word) }) else {
            return .refused(
                reason:
                    "it doesn't say that it takes over: it is no hostd, or one that can't: stop hostd, then start it"
            )
        }
        return .canTakeOver(version: printable(String(line.dropFirst(word.count))))
    }

    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }.prefix(300)))
    }

    /// All that it writes to its standard output and error; whether it closed them.
    private func output(of child: ChildProcess, until deadline: ContinuousClock.Instant) -> (String, isEnded: Bool) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < Self.mostOutput {
            var readable = pollfd(fd: child.descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&readable, 1, Self.milliseconds(until: deadline))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return (String(decoding: bytes, as: UTF8.self), false) }
            let count = read(child.descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (String(decoding: bytes, as: UTF8.self), true) }
            bytes += buffer[..<count]
        }
        return (String(decoding: bytes, as: UTF8.self), false)
    }

    private func end(of child: ChildProcess, until deadline: ContinuousClock.Instant) -> EndCause? {
        while true {
            if let cause = child.reap() { return cause }
            guard Self.milliseconds(until: deadline) > 0 else { return nil }
            poll(nil, 0, 5)
        }
    }

    private static func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
        Int32(clamping: max(0, (deadline - .now).wholeMilliseconds))
    }
}
