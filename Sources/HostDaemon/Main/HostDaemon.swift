// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import Logging
import Supervisor
import Telemetry

/// hostd's command line.
///
/// Without a role it is the supervisor, which starts this same executable once for each other role.
@main
struct HostDaemon: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hostd",
        abstract: "Fans the notices of a microblogging network out to remote targets.",
        discussion: """
            Runs in the foreground and logs to standard error. SIGTERM and SIGINT finish what is in flight and stop, \
            SIGHUP reads the configuration again, SIGUSR2 starts a new generation of workers, and goes on as a changed executable. queuectl shows and steers \
            what runs.

            Example:
              hostd --config hostd.yaml --check && hostd --config hostd.yaml
            """,
        version: SupervisorMain.version
    )

    @Option(help: ArgumentHelp("The configuration; without it ./hostd.yaml, if there is one.", valueName: "file"))
    var config: String?
    @Option(help: ArgumentHelp("Workers per plugin and group, in the place of workers.count.", valueName: "n"))
    var threads: Int?
    @Flag(help: "Tell every error of the configuration and exit: 0 if there is none, else 1.")
    var check = false
    @Option(help: "How log lines look: text or json.")
    var logFormat = LogFormat.text
    @Option(help: "The least level that is logged: debug, info, warning or error.")
    var logLevel = LogLevelArgument.info
    /// With `--check`: a running hostd asks whether this one could go on in its place.
    @Option(help: .hidden)
    var handoverFormat: Int?
    @Option(help: .hidden)
    var role: RoleArgument?
    /// With `--role probe`: the file to load.
    @Option(help: .hidden)
    var path: String?
    /// With `--role worker`: PLUGIN/INDEX or PLUGIN/UNIT/INDEX, for people who read process lists.
    @Option(help: .hidden)
    var slot: String?

    static func main() {
        // A peer that goes away is an error of a write, not the end of a process.
        signal(SIGPIPE, SIG_IGN)
        do {
            let command = try parse()
            let status = command.perform()
            fflush(nil)
            // Not exit: what a plugin registered with atexit isn't ours to run, and other threads still do.
            _exit(status)
        } catch {
            let text = fullMessage(for: error)
            guard exitCode(for: error).isSuccess else {
                complain(text)
                Glibc.exit(ExitStatus.configurationError)
            }
            print(text)
            Glibc.exit(0)
        }
    }

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads: found \(threads), wanted a whole number from 1 to 1024")
        }
        if role == .probe, path == nil { throw ValidationError("--role probe needs --path") }
    }

    private func perform() -> Int32 {
        LogSetup.bootstrap(format: logFormat, level: logLevel.level, role: role?.rawValue ?? "supervisor")
        if let role { return role.run(path: path ?? "") }
        if check {
            return ConfigurationCheck.run(configPath: config, threads: threads, handoverFormat: handoverFormat)
        }
        var options = SupervisorOptions(configPath: config, threads: threads)
        options.childArguments = ["--log-format", logFormat.rawValue, "--log-level", logLevel.rawValue]
        return SupervisorMain.run(options)
    }

    private static func complain(_ text: String) {
        let line = text + "\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
    }
}

extension LogFormat: ExpressibleByArgument {}

/// The levels that hostd logs at.
enum LogLevelArgument: String, ExpressibleByArgument, CaseIterable {
    case debug, info, warning, error

    var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
