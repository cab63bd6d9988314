// SPDX-License-Identifier: Apache-2.0
import Glibc
import HostConfig
import NIOCore
import Stomp

/// Sends frames to the broker, a thousand at a time without waiting, and knows which of them are on its disk.
struct Producer {
    private let connection: StompConnection
    private let destination: String
    private let headers: [(name: String, value: String)]

    /// Receipts that may be outstanding.
    private static let window = 1000
    /// Frames, and about how many bytes, that go to the connection in one call.
    private static let batch = (frames: 250, bytes: 1 << 20)

    /// The Unix socket first: it needs no login.
    ///
    /// TCP is for a hostd that runs as another user.
    static func connect(
        to installation: Installation,
        headers: [(name: String, value: String)]
    ) async throws -> Producer {
        let queue = installation.config.queue
        let connection: StompConnection
        do {
            connection = try await StompConnection.connect(
                .unix(installation.stompSocket),
                login: queue.username,
                passcode: queue.password?.reveal(),
                window: window
            )
        } catch StompError.unreachable(_, let reason) {
            guard let listen = queue.listen, listen.port > 0 else { throw QueueCtlError.noBroker(reason: reason) }
            do {
                connection = try await StompConnection.connect(
                    .tcp(host: reachable(listen.host), port: listen.port),
                    login: queue.username,
                    passcode: queue.password?.reveal(),
                    window: window
                )
            } catch StompError.unreachable {
                throw QueueCtlError.noBroker(reason: "neither \(installation.stompSocket) nor \(listen) answers")
            }
        }
        return Producer(connection: connection, destination: installation.destination, headers: headers)
    }

    /// A wildcard is where to listen, not where to connect.
    private static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: host
        }
    }

    /// The whole input as one frame.
    ///
    /// 1, or an error.
    func enqueueWhole(_ input: inout InputFile) async throws -> Int {
        let frame = try input.whole()
        guard frame.readableBytes > 0 else { throw QueueCtlError.emptyInput(file: input.name) }
        do {
            try await connection.send([message(frame)])
            let accepted = try await connection.confirm()
            try? await connection.disconnect()
            return accepted
        } catch {
            throw QueueCtlError.enqueue(accepted: await connection.progress().confirmed, line: nil, reason: "\(error)")
        }
    }

    /// A frame a line; returns how many were accepted.
    func enqueueLines(of input: inout InputFile) async throws -> Int {
        // The line of the frame that was sent as first, second, ...
        var lines: [Int] = []
        var number = 0
        do {
            var batch: [StompMessage] = []
            var bytes = 0
            while let line = try input.line(number: number + 1) {
                number += 1
                guard !Self.isBlank(line) else { continue }
                lines.append(number)
                batch.append(message(line))
                bytes += line.readableBytes
                if batch.count == Self.batch.frames || bytes >= Self.batch.bytes {
                    try await connection.send(batch)
                    batch.removeAll(keepingCapacity: true)
                    bytes = 0
                }
            }
            try await connection.send(batch)
            let accepted = try await connection.confirm()
            try? await connection.disconnect()
            return accepted
        } catch let error as QueueCtlError {
            // The input broke off; what was sent before it is on its way.
            let accepted = (try? await connection.confirm()) ?? 0
            throw QueueCtlError.enqueue(accepted: accepted, line: number + 1, reason: error.description)
        } catch {
            let progress = await connection.progress()
            // The one that the broker refused, else the first that it said nothing of.
            let ordinal = progress.refused ?? progress.confirmed + 1
            let line = ordinal >= 1 && ordinal <= lines.count ? lines[ordinal - 1] : number
            throw QueueCtlError.enqueue(accepted: progress.confirmed, line: line, reason: "\(error)")
        }
    }

    private func message(_ frame: ByteBuffer) -> StompMessage {
        StompMessage(destination: destination, headers: headers, body: frame, wantsReceipt: true)
    }

    private static func isBlank(_ line: ByteBuffer) -> Bool {
        line.readableBytesView.allSatisfy {
            $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r")
        }
    }
}
