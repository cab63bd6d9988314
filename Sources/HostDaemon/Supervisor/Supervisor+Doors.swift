// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging

/// The listening sockets of broker and console: they outlive each process that serves on them, so that nobody who
/// connects is refused meanwhile.
extension Supervisor {
    /// For a broker that starts now; whoever calls holds the broker's lock.
    func openDoors() throws(SupervisorError) -> BrokerDoors {
        let address = deployment.config.queue.listen
        if var open = doors {
            guard address?.description != doorsAddress else { return open }
            do {
                let network = try address.map { (wanted) throws(ControlError) in
                    try ListeningSocket.tcp(host: wanted.host, port: wanted.port)
                }
                open.network?.close()
                open.network = network
                doors = open
                doorsAddress = address?.description
            } catch {
                logger.error("the broker goes on listening where it did", metadata: ["reason": "\(error)"])
            }
            return open
        }
        var configuration = BrokerConfiguration(stateDirectory: state.path)
        configuration.listenHost = address?.host
        configuration.listenPort = address?.port ?? 0
        do {
            let new = try BrokerDoors.open(configuration)
            doors = new
            doorsAddress = address?.description
            return new
        } catch {
            throw .listen("\(error)")
        }
    }

    /// For a console that starts now; nil where it can't be opened: the console tries itself, and says what is wrong.
    func openConsoleDoor() -> ConsoleDoor? {
        guard case .console(let wanted) = slots[.console]?.configuration else { return nil }
        if let open = consoleDoor, open.serves(wanted) { return open }
        closeConsoleDoor()
        guard let socket = try? ListeningSocket.tcp(host: wanted.listenHost, port: wanted.listenPort) else {
            return nil
        }
        consoleDoor = ConsoleDoor(host: wanted.listenHost, port: wanted.listenPort, socket: socket)
        return consoleDoor
    }

    /// Another address needs another door, and a process learns of its door at its start.
    func isAtOtherAddress(_ wanted: ConsoleConfiguration) -> Bool {
        guard let slot = slots[.console], slot.process != nil, case .console(let now) = slot.configuration else {
            return false
        }
        return (now.listenHost, now.listenPort) != (wanted.listenHost, wanted.listenPort)
    }

    /// At the end: nobody waits for a broker that won't come.
    func closeDoors() {
        doors?.close()
        doors = nil
    }

    func closeConsoleDoor() {
        consoleDoor?.socket.close()
        consoleDoor = nil
    }
}
