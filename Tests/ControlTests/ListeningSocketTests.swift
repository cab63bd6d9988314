// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Control

@Suite struct ListeningSocketTests {
    @Test("A free TCP port is told, and a second socket on it is refused in one line")
    func tcp() throws {
        let socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        defer { socket.close() }
        let port = try #require(socket.port)
        #expect(port > 0)
        #expect(throws: ControlError.failed(path: "127.0.0.1:\(port)", reason: "Address already in use")) {
            try ListeningSocket.tcp(host: "127.0.0.1", port: port)
        }
    }

    @Test("A Unix socket takes the place of a dead one, and is its owner's alone")
    func unix() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/control.sock"
        close(try RawClient.bindOnly(path: path))
        let socket = try ListeningSocket.unix(path)
        defer { socket.close() }
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(socket.port == nil)
        // Who connects waits for somebody to serve: no refusal.
        #expect(throws: Never.self) { try RawClient(path: path) }
    }

    @Test("A socket of somebody else is neither used nor removed")
    func foreign() throws {
        try #require(geteuid() == 0, "only root can make a file somebody else's: run the tests in the container")
        let directory = try TemporaryDirectory()
        let path = directory.path + "/control.sock"
        close(try RawClient.bindOnly(path: path))
        #expect(chown(path, 4711, 4711) == 0)
        #expect(throws: ControlError.foreign(path: path, owner: 4711)) { try ListeningSocket.unix(path) }
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_uid == 4711)
    }

    @Test("A file that is no socket is left alone")
    func notASocket() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/control.sock"
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        #expect(throws: ControlError.notASocket(path: path)) { try ListeningSocket.unix(path) }
        #expect(access(path, F_OK) == 0)
    }

    @Test("What was inherited counts only where it listens")
    func inherited() throws {
        let socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        defer { socket.close() }
        #expect(ListeningSocket.inherited(socket.descriptor) == socket)
        var ends: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(ListeningSocket.inherited(ends[0]) == nil)
        #expect(ListeningSocket.inherited(-1) == nil)
    }
}
