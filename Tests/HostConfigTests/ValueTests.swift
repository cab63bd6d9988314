// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HostConfig

@Suite struct ValueTests {
    @Test(
        "Durations are read and written back",
        arguments: [
            ("10ms", 10), ("5s", 5000), ("2m", 120_000), ("1h", 3_600_000), ("5d", 432_000_000), ("0s", 0),
        ]
    )
    func duration(text: String, milliseconds: Int64) {
        let duration = DurationText.parse(text)
        #expect(duration?.wholeMilliseconds == milliseconds)
        #expect(duration.map(DurationText.format) == text)
    }

    @Test(
        "What isn't a duration isn't read",
        arguments: ["", "5", "s", "1.5s", "-1s", "5 s", "99999999999999999999d", "9223372036854775807d", "٥s"]
    )
    func noDuration(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(
        "Sizes are read and written back",
        arguments: [
            ("512MiB", 512 << 20), ("1GiB", 1 << 30), ("3KiB", 3072), ("7B", 7), ("0B", 0), ("2TiB", 2 << 40),
        ]
    )
    func size(text: String, bytes: Int64) {
        #expect(ByteCount(text)?.bytes == bytes)
        #expect(ByteCount(bytes).description == text)
    }

    @Test("What isn't a size isn't read", arguments: ["", "5", "MiB", "1MB", "-1B", "9999999999TiB", "1.5GiB"])
    func noSize(text: String) {
        #expect(ByteCount(text) == nil)
    }

    @Test(
        "Loopback addresses are told from others",
        arguments: [
            ("127.0.0.1:1", true), ("127.9.9.9:1", true), ("localhost:1", true), ("LocalHost:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true), ("0.0.0.0:1", false), ("[::]:1", false), ("10.0.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false), ("127.0.0.1.example:1", false), ("localhost.example:1", false),
        ]
    )
    func loopback(text: String, isLoopback: Bool) throws {
        #expect(try #require(HostPort(text)).isLoopback == isLoopback)
        #expect(HostPort(text)?.description == text)
    }

    @Test(
        "What isn't HOST:PORT isn't read",
        arguments: [
            "", ":", ":1", "a", "a:", "a:65536", "a:-1", "a:x", "::1:5", "[::1]", "[x]:1", "a b:1", "-a:1", "a/b:1",
        ]
    )
    func noAddress(text: String) {
        #expect(HostPort(text) == nil)
    }

    @Test(
        "The nearest name is found, and nothing where none is near",
        arguments: [
            ("max_retrys", "max_retries"), ("listn", "listen"), ("lsiten", "listen"), ("LISTEN", "listen"), ("", nil),
            ("password_file", nil), ("xyz", nil),
        ]
    )
    func nearest(name: String, expected: String?) {
        #expect(NearestName.nearest(to: name, among: ["listen", "max_retries", "password"]) == expected)
    }

    @Test(
        "Edit distances",
        arguments: [("", "", 0), ("a", "", 1), ("", "ab", 2), ("ab", "ba", 1), ("kitten", "sitting", 3)]
    )
    func distance(left: String, right: String, expected: Int) {
        #expect(NearestName.distance(left, right) == expected)
        #expect(NearestName.distance(right, left) == expected)
    }

    @Test("A soft limit is a share of the limit or a size")
    func softLimit() {
        #expect(SoftLimit("90%")?.bytes(of: ByteCount(1000)) == 900)
        #expect(SoftLimit("1KiB")?.bytes(of: ByteCount(5000)) == 1024)
        for text in ["0%", "101%", "-1%", "%", "0B", "x"] { #expect(SoftLimit(text) == nil, "\(text)") }
    }

    @Test("The CPU count follows the affinity mask and the control group's quota")
    func cpuCount() {
        #expect(CPUCount.allowedCount(procStatus: "Name:\tx\nCpus_allowed_list:\t0-3,8,10-11\nMems:\t0\n") == 7)
        #expect(CPUCount.allowedCount(procStatus: "Name:\tx\n") == nil)
        #expect(CPUCount.quota("150000 100000\n") == 2)
        #expect(CPUCount.quota("50000 100000\n") == 1)
        #expect(CPUCount.quota("max 100000\n") == nil)
        #expect(ControlGroup.path("0::/a/b\n") == "/a/b")
        #expect(ControlGroup.path("0::/\n") == "")
        #expect(ControlGroup.path("1:cpu:/x\n") == nil)
        #expect(CPUCount.available() >= 1)
    }

    @Test("Memory is the machine's, cut by the control groups' limits")
    func memorySize() {
        #expect(MemorySize.total(procMeminfo: "MemTotal:       16384 kB\nMemFree: 1 kB\n") == .mebibytes(16))
        #expect(MemorySize.total(procMeminfo: "MemFree: 1 kB\n") == nil)
        #expect(MemorySize.limit("536870912\n") == .mebibytes(512))
        #expect(MemorySize.limit("max\n") == nil)
        #expect(MemorySize.available().map { $0 > .mebibytes(16) } == true)
    }

    @Test(
        "A worker's limit is 512 MiB, less where the machine is small, what is said where something is said",
        arguments: [
            (1, 65_536, 512, 460), (2, 1024, 384, 345), (64, 2048, 64, 57), (4, 128, 64, 57),
        ] as [(Int, Int64, Int64, Int64)]
    )
    func memoryLimits(workers: Int, available: Int64, hard: Int64, soft: Int64) {
        var config = HostConfig(folder: "/")
        let limits = config.memoryLimits(workers: workers, available: .mebibytes(available))
        #expect(limits.hard == .mebibytes(hard))
        #expect(limits.soft.bytes >> 20 == soft)
        #expect(config.memoryLimits(workers: workers, available: nil).hard == .mebibytes(512))
        config.workers.memoryLimit = .mebibytes(700)
        config.queue.softlimit = .size(.mebibytes(600))
        let said = config.memoryLimits(workers: workers, available: .mebibytes(available))
        #expect(said.hard == .mebibytes(700) && said.soft == .mebibytes(600))
    }

    @Test("Keys that change nothing yet are named where they are set, and only there")
    func withoutEffect() {
        var config = HostConfig(folder: "/")
        #expect(config.keysWithoutEffect.isEmpty)
        config.queue.maxRetries = 3
        config.queue.monitor = MonitorTarget("udp://127.0.0.1:9999")
        #expect(config.keysWithoutEffect == ["queue.monitor"])
    }
}
