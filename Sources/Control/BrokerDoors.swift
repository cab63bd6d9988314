// SPDX-License-Identifier: Apache-2.0

/// The broker's listening sockets: opened by the supervisor, served by whichever broker runs.
package struct BrokerDoors: Codable, Hashable, Sendable {
    /// Of `worker.sock`.
    package var workers: ListeningSocket
    /// STOMP on `stomp.sock`.
    package var local: ListeningSocket
    /// STOMP over TCP, where the configuration wants it.
    package var network: ListeningSocket?

    /// A broker finds the first of them here, behind its channel and its lock, the others after it.
    private static let first = ChildChannel.descriptor + 2

    /// What this process was started with; nil where it was started without.
    package static func inherited() -> BrokerDoors? {
        guard let workers = ListeningSocket.inherited(first), let local = ListeningSocket.inherited(first + 1) else {
            return nil
        }
        return BrokerDoors(workers: workers, local: local, network: ListeningSocket.inherited(first + 2))
    }

    package static func open(_ configuration: BrokerConfiguration) throws(ControlError) -> BrokerDoors {
        var network: ListeningSocket?
        if let host = configuration.listenHost {
            network = try ListeningSocket.tcp(host: host, port: configuration.listenPort)
        }
        do throws(ControlError) {
            let workers = try ListeningSocket.unix(configuration.workerSocket)
            return BrokerDoors(
                workers: workers,
                local: try ListeningSocket.unix(configuration.stompSocket),
                network: network
            )
        } catch {
            network?.close()
            throw error
        }
    }

    /// In the order in which a broker finds them.
    package var descriptors: [CInt] { [workers, local].map(\.descriptor) + (network.map { [$0.descriptor] } ?? []) }

    package func close() { for descriptor in descriptors { ListeningSocket(descriptor: descriptor).close() } }
}
