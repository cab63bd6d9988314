// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A memcached of a test's own on loopback; it can be killed, stopped and started again on its port.
package final class Memcached: Sendable {
    package let host = "127.0.0.1"
    package let port: Int
    private let process = NIOLockedValueBox<ProcessRunner?>(nil)

    package init() async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: host, port: 0).get()
        port = listener.localAddress?.port ?? 0
        try await listener.close()
        try await start()
    }

    package func start() async throws {
        // It refuses to run as root unless told so.
        let user = NSUserName()
        let started = try ProcessRunner(
            "memcached",
            ["-l", host, "-p", "\(port)", "-U", "0", "-t", "1", "-m", "16", "-u", user]
        )
        process.withLockedValue { $0 = started }
        try await eventually("memcached answers") {
            let channel = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: host, port: port).get()
            try await channel?.close()
            return channel != nil
        }
    }

    package func signal(_ number: Int32) { process.withLockedValue { $0 }?.signal(number) }

    /// Returns when every thread of it stands still.
    package func stop() async throws {
        signal(SIGSTOP)
        let tasks = "/proc/\(process.withLockedValue { $0?.pid } ?? 0)/task"
        try await eventually("memcached stands still") {
            try FileManager.default.contentsOfDirectory(atPath: tasks).allSatisfy { thread in
                // PID (NAME) STATE ...
                try String(contentsOfFile: "\(tasks)/\(thread)/stat", encoding: .utf8).contains(") T ")
            }
        }
    }

    package func kill() async throws {
        signal(SIGKILL)
        try await process.withLockedValue { $0 }?.exit()
        process.withLockedValue { $0 = nil }
    }

    /// What the server counts under a name, by its text protocol.
    package func statistic(_ name: String) async throws -> Int? {
        let answers = EventLog<String>()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(answers))
                }
            }
            .connect(host: host, port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: "stats\r\n"))
        try await eventually("the statistics") { answers.all.joined().hasSuffix("END\r\n") }
        try await channel.close()
        let line = answers.all.joined().components(separatedBy: "\r\n").first { $0.hasPrefix("STAT \(name) ") }
        return line?.split(separator: " ").last.flatMap { Int($0) }
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let answers: EventLog<String>
        init(_ answers: EventLog<String>) { self.answers = answers }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            answers.append(String(buffer: unwrapInboundIn(data)))
        }
    }
}
