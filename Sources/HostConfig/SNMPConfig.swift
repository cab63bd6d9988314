// SPDX-License-Identifier: Apache-2.0

/// `snmp:` of hostd.yaml.
package struct SNMPConfig: Hashable, Sendable {
    package enum Master: Hashable, Sendable {
        case socket(path: String)
        case tcp(HostPort)
    }

    /// The AgentX master; nil = none.
    package var agentx: Master?

    package init() {}

    mutating func read(_ section: ConfigSection) {
        let wanted = "the path of a socket (with a slash) or HOST:PORT"
        let master = ConfigForm<Master>(wanted: wanted) { node, reader in
            let text = ConfigForm<String>.text(wanted) { !$0.isEmpty && !$0.contains("\0") }.read(node, reader)
            guard let text else { return nil }
            if text.contains("/") { return .socket(path: TextFile.resolve(text, in: reader.document.folder)) }
            guard let address = HostPort(text), address.port > 0 else {
                reader.reject(node, wanted: wanted)
                return nil
            }
            return .tcp(address)
        }
        section.read("agentx", .optional(master), into: &agentx)
    }
}
