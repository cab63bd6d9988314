// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// Each notice of a site is a line on one connection to a server, which acknowledges it.
struct LinesPlugin: Plugin {
    static let identity = PluginIdentity(note: pluginNote)
    static let configKeys = [
        ConfigKey("server", .string, isRequired: true, help: "Where the lines go: a name or an address."),
        ConfigKey("port", .int, isRequired: true, help: "Its port."),
    ]
    static let queues: [ServedQueue<Link>] = [
        ServedQueue("lines", takesNotices: true) { _ in LinesExpand() },
        ServedQueue("linesout", group: "lines", isSingleton: true, maxInFlight: 64, timeout: .seconds(30)) {
            LinesDeliver(link: $0)
        },
    ]

    init(host: Host) throws { try host.require(.stream, .loop) }

    func open(_ site: Site) throws -> Link {
        let link = Link(site)
        // The workers of `lines` open the site, too: only the one that has `linesout` connects.
        if site.queues.contains("linesout") { link.connect() }
        return link
    }

    func reconfigure(_ link: Link, to config: SiteConfig) throws { link.reconnect(to: config) }
    func drain(_ link: Link) async { await link.finish() }
    func close(_ link: Link) { link.end() }
}

/// Stage 1: a notice becomes one item of the queue that has the connection.
struct LinesExpand: Handler {
    func handle(_ item: Item) async throws -> Outcome {
        let notice = try Notice(parsing: item.frame)
        guard notice.goesToRemoteTargets else { return .done }
        let line = notice.content.split(whereSeparator: \.isNewline).joined(separator: " ")
        try item.stage([
            NewItem(queue: "linesout", payload: Array(line.utf8), target: "line server", dedupeKey: notice.uri)
        ])
        return .done
    }
}

/// Stage 2: done when the server has the line, and no earlier.
struct LinesDeliver: Handler {
    let link: Link

    func handle(_ item: Item) async throws -> Outcome {
        switch try await link.send(String(decoding: item.payload, as: UTF8.self)) {
        case .acknowledged: return .done
        case .refused(let why): return .discard(.rejected, why)
        case .lost:
            var outcome = Outcome.defer(for: .seconds(1), reason: .network, "sent, and no answer was seen")
            outcome.maybeDelivered = true
            return outcome
        }
    }
}

/// A site's one connection: keeps it up, and knows who waits for which answer.
@HostActor
final class Link {
    /// What became of a line.
    enum Fate { case acknowledged, refused(String), lost }

    private let site: Site
    private var config: SiteConfig
    private var stream: ByteStream?
    private var isReady = false
    private var input: [UInt8] = []
    private var failures = 0
    private var timer: HostTimer?
    private var lastNumber = 0
    private var waiters: [Int: CheckedContinuation<Fate, Never>] = [:]

    init(_ site: Site) {
        self.site = site
        config = site.config
    }

    func connect() {
        // Items that can't go out now needn't come here; without this hold each would be deferred by itself.
        site.hold(queue: "linesout", for: .seconds(60), "connecting")
        var request = StreamRequest(host: config.string("server") ?? "", port: config.int("port") ?? 0)
        request.isTrusted = true  // the operator named it: it may be in the own network
        request.timeout = .seconds(10)
        do {
            stream = try site.streams.connect(request) { [weak self] stream, event in
                // Events of a stream that was replaced are nobody's.
                guard let self, stream === self.stream else { return }
                self.happened(event)
            }
            // A server that takes the connection and says nothing is away, too.
            timer = try? site.timers.after(.seconds(20)) { [weak self] in self?.failed("no greeting") }
        } catch {
            failed(error.description)
        }
    }

    private func happened(_ event: StreamEvent) {
        switch event {
        case .connected, .secured, .writable: break  // the server speaks first; no TLS; refused writes come again
        case .data(let bytes): received(bytes)
        case .closed(let error): failed(error?.description ?? "closed by the server")
        }
    }

    private func failed(_ why: String) {
        drop()
        failures += 1
        // 1 s, 2 s, 4 s ... 60 s; the jitter keeps a thousand sites from coming back in the same moment.
        let wait = Double(min(60, 1 << min(failures - 1, 6))) * Double.random(in: 0.5...1)
        site.hold(queue: "linesout", for: .seconds(wait + 10), why)
        site.log.warning("the line server is away", ["why": why])
        timer = try? site.timers.after(.seconds(wait)) { [weak self] in self?.connect() }
    }

    /// Ends the stream at once.
    private func drop() {
        stream?.cancel()
        forget()
    }

    /// Whoever waits for an answer won't get one.
    private func forget() {
        timer?.cancel()
        (timer, stream, isReady, input) = (nil, nil, false, [])
        for number in waiters.keys { resolve(number, .lost) }
    }

    private func received(_ bytes: [UInt8]) {
        // A line may come in pieces, and several in one.
        input += bytes
        while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: input[..<end], as: UTF8.self)
            input.removeFirst(end + 1)
            answered(line.split(separator: " ", maxSplits: 2).map(String.init))
        }
        if input.count > 1024 { failed("a line without an end") }
    }

    private func answered(_ words: [String]) {
        switch (words.first, words.count > 1 ? Int(words[1]) : nil) {
        case ("READY", _):
            timer?.cancel()
            (timer, isReady, failures) = (nil, true, 0)
            site.hold(queue: "linesout", for: .zero, "")
        case ("OK", let number?): resolve(number, .acknowledged)
        case ("NO", let number?): resolve(number, .refused(words.count > 2 ? words[2] : "without a reason"))
        default: failed("not an answer: \(words.joined(separator: " "))")
        }
    }

    private func resolve(_ number: Int, _ fate: Fate) { waiters.removeValue(forKey: number)?.resume(returning: fate) }

    func send(_ text: String) async throws -> Fate {
        guard isReady, let stream else { throw Outcome.defer(for: .seconds(1), reason: .network, "not connected") }
        lastNumber += 1
        let number = lastNumber
        do {
            try stream.write(Array("PUT \(number) \(text)\n".utf8))
        } catch {
            // Nothing of it was taken: too much waits to be sent, or the stream has just ended.
            throw Outcome.defer(for: .seconds(1), reason: .network, error.description)
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiters[number] = $0 }
        } onCancel: {
            Task { @HostActor in self.gaveUp(number) }
        }
    }

    /// The item's deadline is near: a server that hasn't answered for so long may do better on a new connection.
    private func gaveUp(_ number: Int) {
        guard waiters[number] != nil else { return }
        failed("no answer in time")
    }

    func reconnect(to config: SiteConfig) {
        let isSame = ["server", "port"].allSatisfy { config.string($0) == self.config.string($0) }
        self.config = config
        guard !isSame, site.queues.contains("linesout") else { return }
        drop()
        connect()
    }

    /// No new items come: waits for the answers that are on their way, for two seconds at most, and says goodbye.
    func finish() async {
        for _ in 0..<20 where !waiters.isEmpty {
            do { try await site.timers.sleep(for: .milliseconds(100)) } catch { break }
        }
        if isReady { try? stream?.write(Array("BYE\n".utf8)) }
        stream?.close()  // after what was written has gone out
        forget()
    }

    func end() { drop() }
}
