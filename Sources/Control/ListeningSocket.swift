// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore

/// A socket that listens, whoever serves on it: what connects while nobody does waits in the kernel.
///
/// The supervisor holds them, so that no producer is refused while a broker is replaced.
package struct ListeningSocket: Codable, Hashable, Sendable {
    package let descriptor: CInt

    /// Connections that may wait; the kernel has a bound of its own (net.core.somaxconn).
    static let backlog: CInt = 1024

    /// Takes over an open descriptor.
    package init(descriptor: CInt) { self.descriptor = descriptor }

    /// Replaces a socket of ours that a killed process left; whoever calls holds the lock on its directory.
    ///
    /// It is nobody else's from its first moment: mode 0600 is set before anything listens.
    package static func unix(_ path: String) throws(ControlError) -> ListeningSocket {
        try SocketPath.check(path)
        var there = stat()
        if lstat(path, &there) == 0 {
            let owner = try SocketPath.status(path).st_uid
            guard owner == geteuid() else { throw .foreign(path: path, owner: owner) }
            unlink(path)
        }
        let socket = try make(AF_UNIX, for: path)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, chmod(path, 0o600) == 0 else { throw socket.failed(path) }
        return try socket.listening(path)
    }

    /// Port 0: any free one.
    package static func tcp(host: String, port: Int) throws(ControlError) -> ListeningSocket {
        let name = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let address: SocketAddress
        do {
            address = try SocketAddress.makeAddressResolvingHost(host, port: port)
        } catch {
            throw .failed(path: name, reason: "no such address: \(error)")
        }
        var family = AF_INET
        if case .v6 = address { family = AF_INET6 }
        let socket = try make(family, for: name)
        // Connections of an earlier hostd that the kernel still remembers don't keep this one from starting.
        var yes: CInt = 1
        setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        let bound = address.withSockAddr { bind(socket.descriptor, $0, socklen_t($1)) }
        guard bound == 0 else { throw socket.failed(name) }
        return try socket.listening(name)
    }

    /// What a process was started with at that descriptor; nil where there is no listening socket.
    package static func inherited(_ descriptor: CInt) -> ListeningSocket? {
        var listens: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0, listens != 0 else {
            return nil
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return ListeningSocket(descriptor: descriptor)
    }

    /// Of a TCP socket, also where any free port was asked for.
    package var port: Int? {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let found = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard found == 0, [AF_INET, AF_INET6].contains(CInt(address.ss_family)) else { return nil }
        // The port has the same place in both kinds of address.
        return withUnsafeBytes(of: &address) {
            Int(UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    package func close() { Glibc.close(descriptor) }

    /// Another descriptor of the same socket, for somebody who closes it.
    package func duplicate() throws(ControlError) -> ListeningSocket {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw .failed(path: "a listening socket", reason: SocketPath.words(errno)) }
        return ListeningSocket(descriptor: copy)
    }

    private static func make(_ family: CInt, for name: String) throws(ControlError) -> ListeningSocket {
        let descriptor = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .failed(path: name, reason: SocketPath.words(errno)) }
        return ListeningSocket(descriptor: descriptor)
    }

    private func listening(_ name: String) throws(ControlError) -> ListeningSocket {
        guard listen(descriptor, Self.backlog) == 0 else { throw failed(name) }
        return self
    }

    private func failed(_ name: String) -> ControlError {
        let reason = SocketPath.words(errno)
        close()
        return .failed(path: name, reason: reason)
    }
}
