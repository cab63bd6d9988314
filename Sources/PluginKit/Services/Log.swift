// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// The host's log.
///
/// Lines are for operators: a fixed sentence, and what varies as fields. No secrets.
public struct Log: Sendable {
    let host: Host
    let site: hostd_site
    let token: hostd_token

    /// Someone must act.
    public func error(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(HOSTD_LOG_ERROR, message, fields)
    }

    /// The plugin acts by itself, as by a retry, but someone may want to know.
    public func warning(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(HOSTD_LOG_WARN, message, fields)
    }

    /// The life of connections and sites; never once per item.
    public func info(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(HOSTD_LOG_INFO, message, fields)
    }

    /// Single items.
    ///
    /// The arguments aren't even evaluated where the host doesn't log them.
    public func debug(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]
    ) {
        guard (host.table.pointee.log_enabled?(host.table, HOSTD_LOG_DEBUG) ?? 0) != 0 else { return }
        write(HOSTD_LOG_DEBUG, message(), fields())
    }

    private func write(_ level: Int32, _ message: String, _ fields: KeyValuePairs<String, String>) {
        var arena = Arena()
        let text = arena.add(message)
        let ranges = fields.map { (key: arena.add($0.key), value: arena.add($0.value)) }
        arena.bytes.withUnsafeBytes { bytes in
            let pairs = ranges.map { hostd_kv(key: bytes.slice($0.key), value: bytes.slice($0.value)) }
            host.table.pointee.log?(host.table, level, site, token, bytes.slice(text), pairs, pairs.count)
        }
    }
}
