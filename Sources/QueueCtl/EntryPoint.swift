// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import HostConfig

/// Where queuectl begins: parse, run, exit status (0 done, 1 refused or failed, 2 usage).
@main
enum EntryPoint {
    static func main() async {
        // Not exit(3): it would take libraries' globals apart under the event loops' threads, which still run. There is
        // nothing to flush: output is written at once.
        _exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    static func run(_ arguments: [String]) async -> Int32 {
        do {
            var command = try parse(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return 0
        } catch is OutputClosed {
            return 0
        } catch {
            return report(error)
        }
    }

    /// StatusNet's queuectl had options where ours has commands; both are understood.
    static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        LegacyCommand.isMeant(by: arguments)
            ? try LegacyCommand.parse(arguments) : try QueueCtl.parseAsRoot(arguments)
    }

    private static func report(_ error: any Error) -> Int32 {
        switch QueueCtl.exitCode(for: error) {
        case .success:
            // Help, version and completion scripts come as errors.
            return (try? Output.line(QueueCtl.fullMessage(for: error))) == nil ? 1 : 0
        case .validationFailure:
            Output.complain(QueueCtl.fullMessage(for: error))
            return 2
        default:
            Output.complain("queuectl: " + sentence(for: error))
            return 1
        }
    }

    /// One line, whatever the error is.
    static func sentence(for error: any Error) -> String {
        let all = (error as? ConfigError)?.all ?? []
        guard let first = all.first, all.count > 1 else { return DisplayText("\(error)").text }
        return DisplayText("\(first)").text + " (and \(all.count - 1) more: hostd --check lists all)"
    }
}
