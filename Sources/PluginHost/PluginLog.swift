// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOConcurrencyHelpers
import PluginABI
import QueueCore
import Telemetry

/// A plugin's log lines on their way to the host's log, which escapes them; over a rate they are counted instead of
/// written, so that a plugin gone wild harms nobody.
///
/// Any thread.
///
/// `@unchecked Sendable`: what changes is behind the lock.
final class PluginLog: @unchecked Sendable {
    private let logger: Logger
    private let plugin: PluginName
    private let lock = NIOLock()
    private var limiter = RateLimitedLog()
    private var isOpen = true

    init(_ logger: Logger, plugin: PluginName) {
        self.logger = logger
        self.plugin = plugin
    }

    /// shutdown() was entered.
    func close() { lock.withLock { isOpen = false } }
    var isClosed: Bool { lock.withLock { !isOpen } }

    /// The host's own line about the plugin.
    func host(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        logger.log(level: level, message, metadata: metadata)
    }

    func isEnabled(_ level: Int32) -> Bool { Self.level(level) >= logger.logLevel }

    /// The plugin's line; `known` is what the host says of it, which wins over what the plugin says.
    func write(_ level: Int32, _ message: hostd_str, _ fields: UnsafeBufferPointer<hostd_kv>, _ known: Logger.Metadata)
    {
        let level = Self.level(level)
        guard level >= logger.logLevel else { return }
        switch lock.withLock({ limiter.admit(plugin, nowMs: HostClock.monotonicMs()) }) {
        case .drop: return
        case .write: break
        case .writeAfter(let dropped): tell(dropped: dropped)
        }
        var metadata = known
        for field in fields.prefix(32) where !field.key.isEmpty {
            let key = field.key.text(limit: 64)
            if metadata[key] == nil { metadata[key] = .string(field.value.text(limit: 1024)) }
        }
        logger.log(level: level, "\(message.text(limit: 4096))", metadata: metadata)
    }

    /// Tells what was left out of a plugin that fell silent since: for a timer.
    func flush() {
        for (_, dropped) in lock.withLock({ limiter.flush(nowMs: HostClock.monotonicMs()) }) { tell(dropped: dropped) }
    }

    private func tell(dropped: Int) {
        logger.warning("the plugin logs too much: lines were left out", metadata: ["count": "\(dropped)"])
    }

    private static func level(_ level: Int32) -> Logger.Level {
        switch level {
        case ...HOSTD_LOG_ERROR: .error
        case ...HOSTD_LOG_WARN: .warning
        case ...HOSTD_LOG_INFO: .info
        default: .debug
        }
    }
}
