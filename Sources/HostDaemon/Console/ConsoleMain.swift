// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import NIOPosix

/// The console role: serves the page, metrics and health until the supervisor says drain or is gone.
///
/// Called by HostDaemon's main, which exits with the status that is returned.
package enum ConsoleMain {
    package static func run(channelDescriptor: Int32) -> Int32 {
        // Before anything else is opened: the supervisor may have left a socket behind the channel.
        let door = ListeningSocket.inherited(ConsoleConfiguration.doorDescriptor)
        let eventLoop = MultiThreadedEventLoopGroup.singleton.any()
        let status = eventLoop.makeFutureWithTask {
            try await Console.run(channelDescriptor: channelDescriptor, door: door, on: eventLoop)
        }
        // Without its channel it can tell nobody why.
        return (try? status.wait()) ?? 1
    }
}

/// One life of the role: what the supervisor says, in its order, is done one after the other.
struct Console {
    private enum Event: Sendable {
        case message(SupervisorMessage)
        case supervisorLost
        /// The server that was started as number so-and-so.
        case serverEnded(Int)
    }

    private let channel: ChildChannel
    /// Of the address that it is told, and no other: the supervisor sees to that.
    private let door: ListeningSocket?
    private let events: AsyncStream<Event>.Continuation
    private let logger = Logger(label: "hostd.console")
    private var server: ConsoleServer?
    private var link: SupervisorLink?
    private var configuration: ConsoleConfiguration?
    private var servers = 0

    static func run(
        channelDescriptor: Int32,
        door: ListeningSocket? = nil,
        on eventLoop: any EventLoop
    ) async throws -> Int32 {
        let (events, continuation) = AsyncStream<Event>.makeStream()
        let channel = try await ChildChannel.open(
            descriptor: channelDescriptor,
            on: eventLoop,
            receive: { continuation.yield(.message($0)) },
            lost: { continuation.yield(.supervisorLost) }
        ).get()
        var console = Console(channel: channel, door: door, events: continuation)
        for await event in events {
            if let status = await console.handle(event) { return status }
        }
        return 0
    }

    private init(channel: ChildChannel, door: ListeningSocket?, events: AsyncStream<Event>.Continuation) {
        self.channel = channel
        self.door = door
        self.events = events
    }

    /// The exit status, once there is one.
    private mutating func handle(_ event: Event) async -> Int32? {
        do {
            switch event {
            case .message(.configure(.console(let configuration))): try await configure(configuration)
            case .message(.configure), .message(.change): throw ConsoleError.notAConsole
            case .message(.ping(let number)): channel.send(.pong(number, vitals))
            case .message(.request(let request)):
                channel.send(.reply(ControlReply(id: request.id, error: "the console takes no commands")))
            case .message(.drain):
                await stop()
                try? await channel.sendLast(.drained).get()
                return 0
            case .message(.workerExited): break
            case .supervisorLost:
                await stop()
                return 0
            case .serverEnded(let number): if number == servers { throw ConsoleError.ended }
            }
            return nil
        } catch {
            try? await channel.sendLast(.failed("\(error)")).get()
            await stop()
            return 1
        }
    }

    private mutating func configure(_ new: ConsoleConfiguration) async throws {
        guard new != configuration else { return }
        let isFirst = configuration == nil
        await stop()
        let link = SupervisorLink(path: new.controlSocket, on: MultiThreadedEventLoopGroup.singleton)
        let server = try await ConsoleServer.start(new, on: door, source: link, logger: logger)
        configuration = new
        self.link = link
        self.server = server
        servers += 1
        let (number, events) = (servers, events)
        Task {
            await server.ended()
            events.yield(.serverEnded(number))
        }
        if isFirst { channel.send(.ready) }
    }

    private mutating func stop() async {
        // What ends from now on was asked to.
        servers += 1
        await server?.stop()
        await link?.close()
        server = nil
        link = nil
    }

    private var vitals: ChildVitals { ChildVitals(residentBytes: ResidentMemory.bytes() ?? 0, inFlight: 0) }
}
