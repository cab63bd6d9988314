// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Tells systemd how we are (sd_notify(3)): a datagram to the socket that `NOTIFY_SOCKET` names.
///
/// Without one it is silent.
struct SystemdNotify: Sendable {
    private let address: String?
    /// How often `WATCHDOG=1` is due: half of what systemd waits; nil = never.
    let watchdogInterval: Duration?

    init(environment: (String) -> String? = { getenv($0).map { String(cString: $0) } }) {
        let address = environment("NOTIFY_SOCKET") ?? ""
        // A path, or an abstract name after `@`; sun_path has 108 bytes.
        self.address = (address.hasPrefix("/") || address.hasPrefix("@")) && address.utf8.count < 108 ? address : nil
        let isOurs = environment("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        let microseconds = environment("WATCHDOG_USEC").flatMap { Int64($0) } ?? 0
        watchdogInterval = isOurs && microseconds > 0 ? .microseconds(microseconds / 2) : nil
    }

    func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

    func stopping() { send("STOPPING=1") }

    /// `Type=notify-reload` wants the moment too, on CLOCK_MONOTONIC.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    func watchdog() { send("WATCHDOG=1") }

    /// Best effort: a systemd that can't be told is no reason to stop.
    private func send(_ text: String) {
        guard let address else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { field in
            field.copyBytes(from: address.utf8)
            if address.hasPrefix("@") { field[0] = 0 }
        }
        // An abstract name ends where the address does, so its length is exact.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.utf8.count + (address.hasPrefix("@") ? 0 : 1))
        _ = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }
}
