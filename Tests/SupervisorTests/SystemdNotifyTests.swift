// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Supervisor

@Suite struct SystemdNotifyTests {
    /// What systemd would hear at `address` (`@` = abstract) while `body` runs.
    private func heard(at address: String, _ body: () -> Void) -> [String] {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { field in
            field.copyBytes(from: address.utf8)
            if address.hasPrefix("@") { field[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.utf8.count)
        let bound = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        #expect(bound == 0)
        body()
        var messages: [String] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return messages }
            messages.append(String(decoding: buffer.prefix(count), as: UTF8.self))
        }
    }

    @Test("systemd hears each state at a path and at an abstract address", arguments: [true, false])
    func states(isAbstract: Bool) throws {
        let directory = try TemporaryDirectory()
        let address = isAbstract ? "@" + directory.path : directory.file("notify")
        let notify = SystemdNotify { $0 == "NOTIFY_SOCKET" ? address : nil }
        let messages = heard(at: address) {
            notify.ready("2 sites")
            notify.reloading()
            notify.watchdog()
            notify.stopping()
        }
        #expect(messages.count == 4)
        #expect(messages.first == "READY=1\nSTATUS=2 sites")
        #expect(messages.dropFirst().first?.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") == true)
        #expect(messages.suffix(2) == ["WATCHDOG=1", "STOPPING=1"])
    }

    @Test("The watchdog is due twice in systemd's interval, and only if it is meant for this process")
    func watchdog() {
        func notify(_ environment: [String: String]) -> SystemdNotify { SystemdNotify { environment[$0] } }
        #expect(notify(["WATCHDOG_USEC": "3000000"]).watchdogInterval == .milliseconds(1500))
        #expect(notify(["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "\(getpid())"]).watchdogInterval != nil)
        #expect(notify(["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"]).watchdogInterval == nil)
        #expect(notify(["WATCHDOG_USEC": "soon"]).watchdogInterval == nil)
        #expect(notify([:]).watchdogInterval == nil)
    }
}
