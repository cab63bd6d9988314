// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
package import QueueCore

/// Step 2: loads a file in a process of its own that may die of it, and brings back what the plugin says of itself.
///
/// A plain blocking function, at most `timeLimit` long: the supervisor calls it on a thread of its own, never in async code.
package struct ProbeRunner: Sendable {
    package enum Verdict: Hashable, Sendable {
        case loaded(PluginDescriptor)
        case refused(PluginRefusal)
    }

    /// The program that plays the probe's role; the path is appended to its arguments.
    package var executable: String
    package var arguments: [String]
    package var timeLimit: Duration

    package init(
        executable: String = "/proc/self/exe",
        arguments: [String] = ["hostd", "--role", "probe", "--path"],
        timeLimit: Duration = .seconds(5)
    ) {
        self.executable = executable
        self.arguments = arguments
        self.timeLimit = timeLimit
    }

    /// `path` is best the private copy's: the bytes that are tested are then those that will run.
    package func run(path: String) throws(PluginFilesError) -> Verdict {
        let deadline = ContinuousClock.now + timeLimit
        let child = try ProbeChild(executable: executable, arguments: arguments + [path])
        let answer = child.answer(until: deadline)
        if let answer {
            // It has said all it will, and a plugin's threads might keep it alive.
            child.kill()
            _ = child.wait()
            return Self.verdict(answer)
        }
        guard let death = child.wait(until: deadline) else {
            child.kill()
            _ = child.wait()
            return .refused(.loadTest("load test died: time limit"))
        }
        return .refused(.loadTest("load test died: \(death.words)"))
    }

    private static func verdict(_ answer: [UInt8]) -> Verdict {
        guard let answer = try? JSONDecoder().decode(ProbeAnswer.self, from: Data(answer)) else {
            return .refused(.loadTest("load test: found an answer that is not a descriptor, wanted one"))
        }
        switch answer {
        case .descriptor(let descriptor): return .loaded(descriptor)
        case .refused(let reason): return .refused(.loadTest(printable(reason)))
        }
    }
}

/// What the probe says, in one line of JSON: `{"descriptor": ...}` or `{"refused": "reason"}`.
package enum ProbeAnswer: Codable, Hashable, Sendable {
    case descriptor(PluginDescriptor)
    case refused(String)

    private enum Key: String, CodingKey { case descriptor, refused }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        if let reason = try container.decodeIfPresent(String.self, forKey: .refused) {
            self = .refused(reason)
        } else {
            self = .descriptor(try container.decode(PluginDescriptor.self, forKey: .descriptor))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .descriptor(let descriptor): try container.encode(descriptor, forKey: .descriptor)
        case .refused(let reason): try container.encode(reason, forKey: .refused)
        }
    }
}
