// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Logging

/// swift-log's back end in every process of hostd: one line per event to stderr.
///
/// Any thread.
package struct HostLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let format: LogFormat
    private let role: String
    private let pid: Int32
    private let sink: LogSink
    private let now: @Sendable () -> LogTime

    package init(
        format: LogFormat,
        level: Logger.Level,
        role: String,
        sink: LogSink = .standardError,
        now: @escaping @Sendable () -> LogTime = LogTime.now
    ) {
        self.format = format
        self.role = role
        self.sink = sink
        self.now = now
        logLevel = level
        pid = getpid()
    }

    package subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        if let error = event.error { fields["error"] = .string("\(error)") }
        let line = LogLine(
            time: now(),
            level: event.level,
            role: role,
            pid: pid,
            message: event.message.description,
            fields: fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        )
        sink.write(line.bytes(format))
    }
}

/// The one place where a process of hostd chooses its log.
package enum LogSetup {
    /// Once per process, before the first Logger is made.
    package static func bootstrap(format: LogFormat, level: Logger.Level, role: String) {
        LoggingSystem.bootstrap(
            { label, provider in
                var handler = HostLogHandler(format: format, level: level, role: role)
                handler.metadataProvider = provider
                return handler
            },
            metadataProvider: nil
        )
    }
}
