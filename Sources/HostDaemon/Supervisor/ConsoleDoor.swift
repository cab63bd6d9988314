// SPDX-License-Identifier: Apache-2.0
import Control

/// The console's listening socket, with the address that it was opened for.
struct ConsoleDoor: Codable, Equatable {
    var host: String
    /// 0: any free one, and the socket knows which.
    var port: Int
    var socket: ListeningSocket

    func serves(_ console: ConsoleConfiguration) -> Bool { (host, port) == (console.listenHost, console.listenPort) }
}
