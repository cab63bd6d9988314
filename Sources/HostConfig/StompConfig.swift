// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// `stomp:` of hostd.yaml: external brokers in the place of the embedded one.
package struct StompConfig: Hashable, Sendable {
    package enum Persistence: Hashable, Sendable {
        case all(Bool)
        case queues([QueueName])
    }

    /// Empty = the embedded broker.
    package var servers: [StompServer] = []
    package var username: String?
    package var password: Secret?
    package var persistent: Persistence = .all(true)
    /// false: one connection, the brokers replicate among themselves.
    package var manualFailover = true
    package var reconnect: Duration = .seconds(60)
    /// The one of `servers` that gets all sends; nil = a random one.
    package var enqueueOn: StompServer?

    package init() {}

    package var reconnectMs: Int64 { reconnect.wholeMilliseconds }

    mutating func read(_ section: ConfigSection) {
        let server = ConfigForm<StompServer>.scalar("tcp://HOST:PORT or tls://HOST:PORT") { StompServer($0.text) }
        section.read("servers", .list(of: server), into: &servers)
        section.read("username", .optional(.text), into: &username)
        section.read("password", .optional(.secret), into: &password)
        section.read("persistent", .persistence, into: &persistent)
        section.read("manual_failover", .bool, into: &manualFailover)
        section.read("reconnect", .duration(atLeast: .milliseconds(100)), into: &reconnect)
        section.read("enqueue_on", .optional(server), into: &enqueueOn)
        if let enqueueOn, !servers.contains(enqueueOn) {
            section.conflict("enqueue_on", "\(enqueueOn) is none of stomp.servers; name one of them")
        }
    }
}

extension ConfigForm where Value == StompConfig.Persistence {
    static var persistence: ConfigForm {
        let wanted = "true, false, or a list of queue names"
        return ConfigForm(wanted: wanted) { node, reader in
            if node.isList {
                let name = ConfigForm<QueueName>.scalar("the name of a queue") { QueueName($0.text) }
                return ConfigForm<[QueueName]>.list(of: name).read(node, reader).map { .queues($0) }
            }
            let flag = ConfigForm<Bool>.scalar(wanted) { $0.isPlain ? Flag.parse($0.text) : nil }
            return flag.read(node, reader).map { .all($0) }
        }
    }
}

/// One external broker.
package struct StompServer: Hashable, Sendable, CustomStringConvertible {
    package let address: HostPort
    package let usesTLS: Bool

    package init(address: HostPort, usesTLS: Bool) {
        self.address = address
        self.usesTLS = usesTLS
    }

    /// `tcp://HOST:PORT` or `tls://HOST:PORT`; nil for anything else.
    package init?(_ text: String) {
        guard text.hasPrefix("tcp://") || text.hasPrefix("tls://"), let address = HostPort(String(text.dropFirst(6))),
            address.port > 0
        else { return nil }
        self.init(address: address, usesTLS: text.hasPrefix("tls://"))
    }

    package var description: String { "\(usesTLS ? "tls" : "tcp")://\(address)" }
}
