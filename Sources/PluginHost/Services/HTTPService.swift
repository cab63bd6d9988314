// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Dispatch
import NIOCore
import NIOHTTP1
import PluginABI

package struct HTTPSettings: Hashable, Sendable {
    /// Milliseconds for a whole exchange where the plugin names none.
    package var timeoutMs = 10_000
    package var connectionsPerHost = 512
    /// Plugins may reach loopback and private addresses.
    package var allowPrivate = false
    /// `hostd/VERSION`.
    package var userAgent = "hostd"
    package init() {}
}

/// `hostd.http/1`: requests of a plugin, by async-http-client on the plugin's own loop.
///
/// The private-address guard looks at the address that was really connected to, before the request is sent, so that DNS
/// can't trick it. The client's delegate interface is used, not the async one: that one makes a task of the shared pool for
/// each request. On the loop.
final class HTTPService {
    /// A pool entry per host stays for as long as its client lives: after so many hosts a fresh client takes over.
    private static let hostsPerClient = 8192

    private final class Client {
        let client: HTTPClient
        var hosts: Set<String> = []
        var inFlight = 0
        var isRetired = false

        init(_ client: HTTPClient) { self.client = client }

        /// Its last connection may go: nothing uses it any more.
        func endIfUnused() {
            guard isRetired, inFlight == 0 else { return }
            client.shutdown(queue: .global()) { _ in }
        }
    }

    private(set) var settings: HTTPSettings
    private let loop: any EventLoop
    private let gatherer: FlushOncePerTick
    /// One whose connections are guarded and one whose are not: a pool's connection serves any request for its host.
    private var clients: [Bool: Client] = [:]
    /// For what callbacks see; reused, since callbacks never nest.
    let scratch = ResponseMemory()

    init(_ settings: HTTPSettings, loop: any EventLoop) {
        self.settings = settings
        self.loop = loop
        gatherer = FlushOncePerTick(loop: loop)
    }

    /// Starts an exchange; its callback comes later.
    func start(_ exchange: HTTPExchange, _ request: HTTPClient.Request, isGuarded: Bool, deadline: NIODeadline) {
        let client = client(isGuarded: isGuarded, host: request.host)
        client.inFlight += 1
        exchange.ended = {
            client.inFlight -= 1
            client.endIfUnused()
        }
        exchange.isStarting = true
        exchange.task = client.client.execute(
            request: request,
            delegate: exchange,
            eventLoop: .indifferent,
            deadline: deadline,
            logger: nil
        )
        exchange.isStarting = false
    }

    /// For requests from now on: those under way end by the old settings.
    func configure(_ settings: HTTPSettings) {
        guard settings != self.settings else { return }
        self.settings = settings
        shutDown()
    }

    /// Lets the clients go once their last request has ended.
    func shutDown() {
        for client in clients.values {
            client.isRetired = true
            client.endIfUnused()
        }
        clients = [:]
    }

    private func client(isGuarded: Bool, host: String) -> Client {
        if let client = clients[isGuarded] {
            client.hosts.insert(host)
            guard client.hosts.count > Self.hostsPerClient else { return client }
            client.isRetired = true
            client.endIfUnused()
        }
        let client = Client(
            HTTPClient(eventLoopGroupProvider: .shared(loop), configuration: configuration(isGuarded: isGuarded))
        )
        client.hosts.insert(host)
        clients[isGuarded] = client
        return client
    }

    private func configuration(isGuarded: Bool) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(
            // Redirects are ours to follow, since each may lead to a host that is to be guarded.
            redirectConfiguration: .disallow,
            timeout: .init(connect: .milliseconds(Int64(settings.timeoutMs)), read: nil),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        // A twentieth of a request's time, for spans that nobody collects.
        configuration.tracing.tracer = nil
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = settings.connectionsPerHost
        // Below the keep-alive time of common servers (Apache's is 5 s), so that a request seldom meets a connection that the
        // other side is just closing.
        configuration.connectionPool.idleTimeout = .seconds(4)
        // A refused connection is the item's lane's to back off from, not the pool's.
        configuration.connectionPool.retryConnectionEstablishment = false
        let gatherer = NIOLoopBound(gatherer, eventLoop: loop)
        configuration.http1_1ConnectionDebugInitializer = { channel in
            if isGuarded {
                guard let address = channel.remoteAddress, AddressGuard.isPublic(address) else {
                    // After the pool has heard of the failure: it doesn't expect a starting connection to close.
                    channel.eventLoop.execute { channel.close(promise: nil) }
                    return channel.eventLoop.makeFailedFuture(AddressGuard.Refusal())
                }
            }
            return channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(gatherer.value.makeHandler(), position: .first)
            }
        }
        return configuration
    }
}
