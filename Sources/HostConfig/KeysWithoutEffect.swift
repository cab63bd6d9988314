// SPDX-License-Identifier: Apache-2.0

extension HostConfig {
    /// Keys that are set to something else than their default, are read and checked, and change nothing in this version.
    ///
    /// hostd names them at start, so that nobody relies on what isn't there yet.
    package var keysWithoutEffect: [String] {
        let keys: [(String, Bool)] = [
            ("queue.monitor", queue.monitor != nil),
            ("snmp.agentx", snmp.agentx != nil),
        ]
        return keys.filter(\.1).map(\.0)
    }
}
