// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import PluginHost

@Suite struct AddressGuardTests {
    @Test(
        "Addresses inside the operator's network are refused",
        arguments: [
            "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1",
            "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
            "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1",
            "64:ff9b::7f00:1", "64:ff9b:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "2001::1",
            "2001:db8::1", "2002:7f00:1::1", "2002:c0a8:101::1", "3fff::1", "100::1",
        ]
    )
    func refused(address: String) throws {
        #expect(!AddressGuard.isPublic(try SocketAddress(ipAddress: address, port: 80)))
        #expect(!AddressGuard.mayTry(host: address))
        #expect(!address.contains(":") || !AddressGuard.mayTry(host: "[\(address)]"))
    }

    @Test(
        "Public addresses may be reached",
        arguments: [
            "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "172.15.255.255",
            "172.32.0.1", "192.0.1.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
        ]
    )
    func allowed(address: String) throws {
        #expect(AddressGuard.isPublic(try SocketAddress(ipAddress: address, port: 80)))
        #expect(AddressGuard.mayTry(host: address))
    }

    @Test("A Unix socket is no public address")
    func unixSocket() throws {
        #expect(!AddressGuard.isPublic(try SocketAddress(unixDomainSocketPath: "s")))
    }

    @Test(
        "Names are judged when they are connected to",
        arguments: ["localhost", "alice.example", "127.1", "0x7f.1", ""]
    )
    func names(host: String) {
        #expect(AddressGuard.mayTry(host: host))
    }
}
