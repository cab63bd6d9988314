// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport

/// Says to a control socket what no `ControlClient` would.
final class RawClient {
    struct Failure: Error { var call: String, code: Int32 }

    private let descriptor: Int32

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try Self.call("connect", path: path) { connect(descriptor, $0, $1) }
    }

    deinit { close(descriptor) }

    static func bindOnly(path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try call("bind", path: path) { bind(descriptor, $0, $1) }
        return descriptor
    }

    func send(_ text: String) throws {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw Failure(call: "send", code: errno) }
            bytes = bytes.dropFirst(sent)
        }
    }

    /// Waits without holding a thread: the server's answer may need it.
    func readLine() async throws -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            var count = 0
            try await eventually("a line") {
                count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
                return count >= 0 || errno != EAGAIN
            }
            guard count == 1 else { throw Failure(call: "read", code: errno) }
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
    }

    private static func call(
        _ name: String,
        path: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Failure(call: name, code: errno) }
    }
}
