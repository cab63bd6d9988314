// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import QueueCore
import Testing

@testable import Telemetry

@Suite struct LogTests {
    private static let time = LogTime(milliseconds: 1_795_600_800_123)

    private func line(
        _ message: String,
        _ fields: [(String, Logger.MetadataValue)] = [],
        _ format: LogFormat = .text
    ) -> String {
        let line = LogLine(
            time: Self.time,
            level: .info,
            role: "broker",
            pid: 42,
            message: message,
            fields: fields.map { (key: $0.0, value: $0.1) }
        )
        return String(decoding: line.bytes(format), as: UTF8.self)
    }

    private static let head = "2026-11-25T10:00:00.123Z info broker[42] "

    @Test("A text line is time, level, role, pid, message and fields")
    func text() {
        #expect(line("started") == Self.head + "started\n")
        #expect(
            line("item given back", [("site", "alice"), ("attempt", .stringConvertible(2)), ("reason", "no answer")])
                == Self.head + "item given back site=alice attempt=2 reason=\"no answer\"\n"
        )
    }

    @Test(
        "Values that a reader couldn't delimit are quoted",
        arguments: [
            ("", "\"\""), ("a=b", "\"a=b\""), ("say \"x\"", "\"say \\\"x\\\"\""), ("a\\b", "\"a\\\\b\""),
            ("plain", "plain"),
            ("ü", "ü"),
        ]
    )
    func quoting(value: String, shown: String) {
        #expect(line("m", [("k", .string(value))]) == Self.head + "m k=\(shown)\n")
    }

    @Test("Nothing in a message or value breaks the line or reaches the terminal", arguments: LogFormat.allCases)
    func oneLine(format: LogFormat) {
        var hostile = ""
        for value: UInt32 in Array(0..<0xA1) + [0x2028, 0x2029, 0x202E, 0x2066, 0xFEFF] {
            if let scalar = Unicode.Scalar(value) { hostile.unicodeScalars.append(scalar) }
        }
        let text = line(
            hostile,
            [(hostile, .string(hostile)), ("a", .array(["\n", .dictionary(["\n": "\n"])]))],
            format
        )
        let inner = text.dropLast()
        #expect(text.last == "\n")
        #expect(!inner.unicodeScalars.contains { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) })
        #expect(!inner.contains { $0.isNewline })
    }

    @Test("A JSON line holds what was logged")
    func json() throws {
        let hostile = "\u{0}\n\"\\\u{1B}[31m\u{2028}ü😀"
        let text = line(hostile, [("k", .string(hostile)), ("l", .array(["a", .dictionary(["b": "c"])]))], .json)
        let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["time"] as? String == "2026-11-25T10:00:00.123Z")
        #expect(object["level"] as? String == "info")
        #expect(object["role"] as? String == "broker")
        #expect(object["pid"] as? Int == 42)
        #expect(object["message"] as? String == hostile)
        let fields = try #require(object["fields"] as? [String: Any])
        #expect(fields["k"] as? String == hostile)
        let list = try #require(fields["l"] as? [Any])
        #expect(list[0] as? String == "a")
        #expect(list[1] as? [String: String] == ["b": "c"])
    }

    @Test("A long message or value is cut between characters, and says so", arguments: 0..<4)
    func cut(shift: Int) {
        let long = String(repeating: "a", count: shift) + String(repeating: "😀", count: 5000)
        let text = line(long, [("k", .string(long))])
        #expect(text.utf8.count < 9000)
        #expect(text.contains("😀...(\(long.utf8.count) bytes)"))
        #expect(!text.contains("\u{FFFD}"))
    }

    @Test(
        "Times before 1970 and at the end of a second are right",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        ]
    )
    func time(milliseconds: Int64, text: String) {
        #expect(LogTime(milliseconds: milliseconds).description == text)
    }

    @Test("The handler writes one line per event at or above its level, own fields over the logger's")
    func handler() throws {
        let lines = Lines()
        var logger = Logger(label: "t") { _ in
            HostLogHandler(format: .text, level: .info, role: "worker", sink: lines.sink, now: { Self.time })
        }
        logger[metadataKey: "site"] = "alice"
        logger[metadataKey: "queue"] = "omb"
        logger.debug("not shown")
        logger.warning("shown", metadata: ["site": "bob"])
        #expect(
            lines.all == ["2026-11-25T10:00:00.123Z warning worker[\(getpid())] shown queue=omb site=bob\n"]
        )
    }

    @Test("A line reaches its file descriptor whole")
    func descriptor() throws {
        let pipe = Pipe()
        let line = Array("one line\n".utf8)
        LogSink(descriptor: pipe.fileHandleForWriting.fileDescriptor).write(line)
        try pipe.fileHandleForWriting.close()
        #expect(try pipe.fileHandleForReading.readToEnd() == Data(line))
    }

    @Test("A closed file descriptor loses the line and harms nobody")
    func closed() {
        LogSink(descriptor: -1).write(Array("lost\n".utf8))
    }
}

/// Keeps what is written to it.
///
/// One test, one thread; the lock is for the compiler's sake.
private final class Lines: @unchecked Sendable {
    private let lock = NSLock()
    private var lines: [String] = []

    var sink: LogSink {
        LogSink { bytes in self.lock.withLock { self.lines.append(String(decoding: bytes, as: UTF8.self)) } }
    }

    var all: [String] { lock.withLock { lines } }
}

@Suite struct RateLimitedLogTests {
    private let plugin = PluginName(unchecked: "omb")

    @Test("Lines over the limit are dropped, counted, and told with the first line after")
    func limits() {
        var log = RateLimitedLog(limit: 3)
        #expect((0..<5).map { log.admit(plugin, nowMs: 1000 + $0) } == [.write, .write, .write, .drop, .drop])
        #expect(log.admit(plugin, nowMs: 1999) == .drop)
        #expect(log.admit(plugin, nowMs: 2000) == .writeAfter(dropped: 3))
        #expect(log.admit(plugin, nowMs: 2001) == .write)
        #expect(log.admit(plugin, nowMs: 9000) == .write)
    }

    @Test("Each plugin has its own limit")
    func apart() {
        var log = RateLimitedLog(limit: 1)
        #expect(log.admit(plugin, nowMs: 0) == .write)
        #expect(log.admit(PluginName(unchecked: "other"), nowMs: 0) == .write)
        #expect(log.admit(plugin, nowMs: 0) == .drop)
    }

    @Test("What a silent plugin dropped is told once, by flush")
    func flush() {
        var log = RateLimitedLog(limit: 1)
        for _ in 0..<4 { _ = log.admit(plugin, nowMs: 0) }
        #expect(log.flush(nowMs: 999).isEmpty)
        let told = log.flush(nowMs: 1000)
        #expect(told.map(\.plugin) == [plugin])
        #expect(told.map(\.dropped) == [3])
        #expect(log.flush(nowMs: 2000).isEmpty)
        #expect(log.admit(plugin, nowMs: 2000) == .write)
    }
}
