// SPDX-License-Identifier: Apache-2.0

extension HostConfig {
    /// Keys that are set to something else than their default, are read and checked, and change nothing in this version.
    ///
    /// hostd names them at start, so that nobody relies on what isn't there yet.
    package var keysWithoutEffect: [String] {
        let plain = HostConfig(folder: folder)
        let keys: [(String, Bool)] = [
            ("workers.isolate", workers.isolate != plain.workers.isolate),
            ("workers.canary", workers.canary != plain.workers.canary),
            ("workers.memory_limit", workers.memoryLimit != plain.workers.memoryLimit),
            ("queue.dead_letter_dir", queue.deadLetterDir != nil),
            ("queue.softlimit", queue.softlimit != plain.queue.softlimit),
            ("queue.debug_memory", queue.debugMemory),
            ("queue.monitor", queue.monitor != nil),
            ("snmp.agentx", snmp.agentx != nil),
        ]
        return keys.filter(\.1).map(\.0)
    }
}
