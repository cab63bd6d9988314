// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A raw STOMP client for tests: bytes out, frames in, each wait with a time limit.
///
/// It has a parser of its own, deliberately plain and apart from module Stomp's, so that a test sees what is really on
/// the wire. Header values are as sent (still escaped).
package final class StompTestClient: Sendable {
    /// A frame as the server sent it.
    package struct Frame: Sendable, Equatable, CustomStringConvertible {
        package var command: String
        package var headers: [(name: String, value: String)]
        package var body: [UInt8]

        /// The first header of that name.
        package subscript(name: String) -> String? { headers.first { $0.name == name }?.value }
        package var text: String { String(decoding: body, as: UTF8.self) }
        package var description: String {
            "\(command) \(headers.map { "\($0.name):\($0.value)" }) \(text.prefix(200))"
        }

        package static func == (left: Frame, right: Frame) -> Bool {
            left.command == right.command && left.body == right.body
                && left.headers.elementsEqual(right.headers) { $0 == $1 }
        }
    }

    /// Frames as they come; finished when the server has closed the connection.
    package let frames = EventLog<Frame>()
    /// Every octet that came, heart-beats too.
    package var received: [UInt8] { bytes.withLockedValue { $0 } }

    private let channel: any Channel
    private let bytes: NIOLockedValueBox<[UInt8]>

    /// Connects to a TCP port of this machine.
    package static func connect(port: Int, host: String = "127.0.0.1") async throws -> StompTestClient {
        try await StompTestClient { bootstrap in try await bootstrap.connect(host: host, port: port).get() }
    }

    /// Connects to a Unix socket.
    package static func connect(unix path: String) async throws -> StompTestClient {
        try await StompTestClient { bootstrap in try await bootstrap.connect(unixDomainSocketPath: path).get() }
    }

    private init(_ connect: (ClientBootstrap) async throws -> any Channel) async throws {
        let bytes = NIOLockedValueBox([UInt8]())
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
            .channelInitializer { [frames] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FrameReader(frames: frames, bytes: bytes))
                }
            }
        self.bytes = bytes
        channel = try await connect(bootstrap)
    }

    deinit { channel.close(promise: nil) }

    /// Sends octets as they are.
    package func send(bytes: some Sequence<UInt8>) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: bytes))
    }

    /// Sends text as it is; write `\0` for the end of a frame.
    package func send(_ text: String) async throws { try await send(bytes: text.utf8) }

    /// Sends a frame; names and values must be escaped already.
    package func send(
        _ command: String,
        _ headers: KeyValuePairs<String, String> = [:],
        body: some Sequence<UInt8>
    ) async throws {
        let head = command + "\n" + headers.map { "\($0.key):\($0.value)\n" }.joined() + "\n"
        try await send(bytes: Array(head.utf8) + body + [0])
    }

    /// Sends a frame; names and values must be escaped already.
    package func send(
        _ command: String,
        _ headers: KeyValuePairs<String, String> = [:],
        body: String = ""
    ) async throws {
        try await send(command, headers, body: body.utf8)
    }

    /// Sends CONNECT and returns the answer.
    @discardableResult
    package func connect(
        version: String? = "1.2",
        login: String? = nil,
        passcode: String? = nil,
        heartBeat: String? = nil
    ) async throws -> Frame {
        var lines = "CONNECT\n"
        if let version { lines += "accept-version:\(version)\nhost:localhost\n" }
        if let login { lines += "login:\(login)\n" }
        if let passcode { lines += "passcode:\(passcode)\n" }
        if let heartBeat { lines += "heart-beat:\(heartBeat)\n" }
        try await send(lines + "\n\0")
        return try await frame()
    }

    /// The next frame that wasn't returned yet.
    package func frame(within limit: Duration = .seconds(20)) async throws -> Frame {
        try await frames.next(within: limit, "a frame")
    }

    /// The RECEIPT with that id, among all frames so far and to come.
    @discardableResult
    package func receipt(_ id: String, within limit: Duration = .seconds(20)) async throws -> Frame {
        try await frames.first(within: limit, "receipt \(id)") { $0.command == "RECEIPT" && $0["receipt-id"] == id }
    }

    /// Waits until the server has closed the connection.
    package func closed(within limit: Duration = .seconds(20)) async throws {
        try await frames.finished(within: limit, "the server to close the connection")
    }

    /// Closes the connection without a word.
    package func drop() async throws { try await channel.close() }
}

/// Runs on the client's event loop and cuts the stream into frames.
private final class FrameReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let frames: EventLog<StompTestClient.Frame>
    private let bytes: NIOLockedValueBox<[UInt8]>
    private var rest: [UInt8] = []

    init(frames: EventLog<StompTestClient.Frame>, bytes: NIOLockedValueBox<[UInt8]>) {
        self.frames = frames
        self.bytes = bytes
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        bytes.withLockedValue { $0.append(contentsOf: buffer.readableBytesView) }
        rest.append(contentsOf: buffer.readableBytesView)
        while let frame = cut() { frames.append(frame) }
    }

    func channelInactive(context: ChannelHandlerContext) { frames.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func cut() -> StompTestClient.Frame? {
        rest = Array(rest.drop { $0 == 10 || $0 == 13 })
        var lines: [String] = []
        var start = 0
        while true {
            guard let end = rest[start...].firstIndex(of: 10) else { return nil }
            let line = String(decoding: rest[start..<end], as: UTF8.self)
            start = end + 1
            if line.isEmpty { break }
            lines.append(line)
        }
        let headers = lines.dropFirst().map { line -> (name: String, value: String) in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
        }
        let length = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) }
        let end = length.map { start + $0 } ?? rest[start...].firstIndex(of: 0) ?? rest.count
        guard end < rest.count else { return nil }
        let frame = StompTestClient.Frame(
            command: lines.first ?? "",
            headers: headers,
            body: Array(rest[start..<end])
        )
        rest.removeFirst(end + 1)
        return frame
    }
}
