// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A loopback port that refuses connections for as long as the process lives: bound, so that nobody else gets it, and
/// never listening.
struct ClosedPort {
    let number: Int

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw ReceiverError.system("socket", errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // The C API takes sockaddr_in by a pointer to its common head; it reads and writes `length` bytes.
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { head in
                bind(descriptor, head, length) == 0 ? getsockname(descriptor, head, &length) : -1
            }
        }
        guard status == 0 else { throw ReceiverError.system("bind", errno) }
        number = Int(UInt16(bigEndian: address.sin_port))
    }
}
