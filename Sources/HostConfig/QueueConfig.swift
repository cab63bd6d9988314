// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// `queue:` of hostd.yaml.
package struct QueueConfig: Hashable, Sendable {
    /// The embedded broker's STOMP address; nil = Unix socket only.
    package var listen: HostPort? = HostPort(host: "127.0.0.1", port: 61613)
    /// STOMP login; nil = anybody who reaches the broker.
    package var username: String?
    package var password: Secret?
    /// What a group's name is appended to; ends with a slash.
    package var basename = "/queue/statusnet/"
    package var controlChannel = "/topic/statusnet-control"
    package var breakout: [BreakoutSpec] = []
    package var maxRetries = 10
    /// nil = dead letters are in the store only.
    package var deadLetterDir: String?
    package var targetConcurrency = 20
    package var expires: Duration = .days(5)
    package var history: Duration = .days(7)
    /// Producers are slowed past this size of the store; nil = only where the disk gets short.
    package var maxStore: ByteCount?
    /// 0-9; a queue that isn't named has the item's own.
    package var priorities: [QueueName: UInt8] = [:]
    package var dedupeWindow: Duration = .days(1)
    package var softlimit: SoftLimit = .percent(90)
    package var spawndelay: Duration = .seconds(1)
    package var drainTimeout: Duration = .seconds(30)
    package var debugMemory = false
    package var monitor: MonitorTarget?

    /// The older name of the control channel, which is heard too.
    package static let olderControlChannel = "/topic/statusnet/control"

    package init() {}

    package var expiresMs: Int64 { expires.wholeMilliseconds }
    package var historyMs: Int64 { history.wholeMilliseconds }
    package var dedupeWindowMs: Int64 { dedupeWindow.wholeMilliseconds }
    package var spawndelayMs: Int64 { spawndelay.wholeMilliseconds }
    package var drainTimeoutMs: Int64 { drainTimeout.wholeMilliseconds }

    mutating func read(_ section: ConfigSection) {
        section.read("listen", .listenAddress("\"\" for the Unix socket only"), into: &listen)
        section.read("username", .optional(.text), into: &username)
        section.read("password", .optional(.secret), into: &password)
        section.read("basename", .destination("/queue/statusnet/", isPrefix: true), into: &basename)
        section.read(
            "control_channel",
            .destination("/topic/statusnet-control", isPrefix: false),
            into: &controlChannel
        )
        let breakoutForm = ConfigForm<BreakoutSpec>.scalar("GROUP/QUEUE or GROUP/QUEUE/SITE") { BreakoutSpec($0.text) }
        section.read("breakout", .list(of: breakoutForm), into: &breakout)
        section.read("max_retries", .whole(0...1000), into: &maxRetries)
        section.read("dead_letter_dir", .optional(.path), into: &deadLetterDir)
        section.read("target_concurrency", .whole(1...10_000), into: &targetConcurrency)
        section.read("expires", .duration(atLeast: .seconds(1)), into: &expires)
        section.read("history", .duration(), into: &history)
        section.read("max_store", .optional(.size(atLeast: .mebibytes(1))), into: &maxStore)
        let priority = ConfigForm<UInt8>.scalar("a priority from 0 to 9") { scalar in
            scalar.isPlain
                ? UInt8(scalar.text).flatMap { (Priority.lowest...Priority.highest).contains($0) ? $0 : nil } : nil
        }
        section.read("priorities", .map("the name of a queue", { QueueName($0) }, to: priority), into: &priorities)
        section.read("dedupe_window", .duration(), into: &dedupeWindow)
        section.read(
            "softlimit",
            .scalar("a share of workers.memory_limit such as 90%, or a size such as 400MiB") { SoftLimit($0.text) },
            into: &softlimit
        )
        section.read("spawndelay", .duration(), into: &spawndelay)
        section.read("drain_timeout", .duration(), into: &drainTimeout)
        section.read("debug_memory", .bool, into: &debugMemory)
        let monitorForm = ConfigForm<MonitorTarget>.scalar("udp://HOST:PORT or http://...") { MonitorTarget($0.text) }
        section.read("monitor", .optional(monitorForm), into: &monitor)
        checkTogether(section)
    }

    private func checkTogether(_ section: ConfigSection) {
        let hasBoth = username != nil && password != nil
        if (username != nil) != (password != nil) {
            let (given, lacking) = username != nil ? ("username", "password") : ("password", "username")
            // A wrong `lacking` was reported by itself.
            if !section.isGiven(lacking) {
                section.conflict(given, "given without queue.\(lacking); set both or neither")
            }
        }
        let isLoginGiven = section.isGiven("username") && section.isGiven("password")
        if let listen, !listen.isLoopback, !hasBoth, !isLoginGiven {
            section.conflict(
                "listen",
                "other machines reach \(listen), so it needs a login: set queue.username and queue.password, "
                    + "or listen on 127.0.0.1"
            )
        }
        if let (one, other) = BreakoutSpec.conflict(breakout) {
            section.conflict("breakout", "\(one) and \(other) break out the same queue; keep one")
        }
    }
}

/// Where monitor packets go.
package enum MonitorTarget: Hashable, Sendable {
    case udp(HostPort)
    case http(String)

    /// `udp://HOST:PORT`, or an http or https URL; nil for anything else.
    package init?(_ text: String) {
        if text.hasPrefix("udp://") {
            guard let address = HostPort(String(text.dropFirst("udp://".count))), address.port > 0 else { return nil }
            self = .udp(address)
        } else {
            guard URLText.isHTTP(text) else { return nil }
            self = .http(text)
        }
    }
}
