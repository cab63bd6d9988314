// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport

@testable import PluginHost

/// A memcached of a test's own on loopback; it can be killed, stopped and started again on its port.
final class Memcached: Sendable {
    let server: CacheServer
    private let process = NIOLockedValueBox<ProcessRunner?>(nil)

    init() async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        server = CacheServer(host: "127.0.0.1", port: listener.localAddress?.port ?? 0)
        try await listener.close()
        try await start()
    }

    func start() async throws {
        // It refuses to run as root unless told so.
        let user = NSUserName()
        let started = try ProcessRunner(
            "memcached",
            ["-l", server.host, "-p", "\(server.port)", "-U", "0", "-t", "1", "-m", "16", "-u", user]
        )
        process.withLockedValue { $0 = started }
        try await eventually("memcached answers") {
            let channel = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: server.host, port: server.port).get()
            try await channel?.close()
            return channel != nil
        }
    }

    func signal(_ number: Int32) { process.withLockedValue { $0 }?.signal(number) }

    /// Returns when every thread of it stands still.
    func stop() async throws {
        signal(SIGSTOP)
        let tasks = "/proc/\(process.withLockedValue { $0?.pid } ?? 0)/task"
        try await eventually("memcached stands still") {
            try FileManager.default.contentsOfDirectory(atPath: tasks).allSatisfy { thread in
                // PID (NAME) STATE ...
                try String(contentsOfFile: "\(tasks)/\(thread)/stat", encoding: .utf8).contains(") T ")
            }
        }
    }

    func kill() async throws {
        signal(SIGKILL)
        try await process.withLockedValue { $0 }?.exit()
        process.withLockedValue { $0 = nil }
    }

    /// What the server counts under a name, by its text protocol.
    func statistic(_ name: String) async throws -> Int? {
        let answers = EventLog<String>()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(answers))
                }
            }
            .connect(host: server.host, port: server.port).get()
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

/// A cache on a loop, asked from a test.
final class AskedCache: Sendable {
    private let store: NIOLoopBound<any CacheStore>
    private let loop: any EventLoop
    private let memcached: Memcached?

    init(
        keeping memcached: Memcached? = nil,
        _ make: @escaping @Sendable (any EventLoop) -> any CacheStore
    ) async throws {
        self.memcached = memcached
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        self.loop = loop
        store = try await loop.submit { NIOLoopBound(make(loop), eventLoop: loop) }.get()
    }

    deinit {
        let store = store
        loop.execute { store.value.shutDown() }
    }

    func ask(_ request: CacheRequest, _ key: String) async throws -> CacheAnswer {
        try await all([request], key)[0]
    }

    /// Asks all at once; the answers in the order in which they came.
    func all(_ requests: [CacheRequest], _ key: String) async throws -> [CacheAnswer] {
        let (loop, store) = (loop, store)
        return try await loop.flatSubmit {
            let promise = loop.makePromise(of: [CacheAnswer].self)
            var answers: [CacheAnswer] = []
            for request in requests {
                store.value.perform(request, key: key) { answer in
                    answers.append(answer)
                    if answers.count == requests.count { promise.succeed(answers) }
                }
            }
            return promise.futureResult
        }.get()
    }
}
