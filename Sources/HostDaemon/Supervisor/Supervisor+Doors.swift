// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging

/// The broker's listening sockets: they outlive each broker, so that nobody who connects is refused meanwhile.
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

    /// At the end: nobody waits for a broker that won't come.
    func closeDoors() {
        doors?.close()
        doors = nil
    }
}
