// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Broker
import Console
import Probe
import Worker

/// `--role`: what the supervisor starts this executable as.
///
/// Each role owns its main thread and gives an exit status.
enum RoleArgument: String, ExpressibleByArgument {
    case broker, worker, console, probe

    /// Where a child finds its line to the supervisor.
    private static let channel: Int32 = 3

    func run(path: String) -> Int32 {
        switch self {
        case .broker: BrokerMain.run(channelDescriptor: Self.channel)
        case .worker: WorkerMain.run(channelDescriptor: Self.channel)
        case .console: ConsoleMain.run(channelDescriptor: Self.channel)
        case .probe: Probe.run(path: path)
        }
    }
}
