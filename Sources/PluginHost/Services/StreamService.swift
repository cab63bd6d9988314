// SPDX-License-Identifier: Apache-2.0
import Dispatch
import NIOCore
import NIOPosix
import NIOSSL

/// `hostd.stream/1`: long-lived connections of a plugin, on the plugin's own loop.
///
/// What blocks (SRV look-ups, the reading of certificate authorities) is done on threads of its own. On the loop.
final class StreamService {
    typealias LookUp = @Sendable (String) -> [ServiceRecord]

    private let loop: any EventLoop
    private let lookUp: LookUp
    private let resolver = DispatchQueue(label: "hostd.srv", attributes: .concurrent)
    private let certificates = DispatchQueue(label: "hostd.tls")
    /// By CA file: the system's authorities are a hundred certificates, too many to be read for each of a thousand sites.
    private var contexts: [String: (file: FileVersion?, context: NIOSSLContext)] = [:]

    init(loop: any EventLoop, lookUp: @escaping LookUp) {
        self.loop = loop
        self.lookUp = lookUp
    }

    /// The servers to try, in order: those of the service, then the host itself.
    ///
    /// Empty where DNS says that the service isn't offered.
    func servers(of target: StreamTarget) -> EventLoopFuture<[StreamTarget.Server]> {
        let own = StreamTarget.Server(host: target.host, port: target.port)
        guard let service = target.service else { return loop.makeSucceededFuture([own]) }
        let promise = loop.makePromise(of: [StreamTarget.Server].self)
        let (lookUp, name) = (lookUp, "\(service).\(target.host)")
        resolver.async {
            let found = lookUp(name)
            guard found.count != 1 || found.first?.target.isEmpty == false else {
                promise.succeed([])
                return
            }
            var random = SystemRandomNumberGenerator()
            let servers = ServiceRecords.ordered(found.filter { !$0.target.isEmpty }, using: &random)
            promise.succeed(servers.map { StreamTarget.Server(host: $0.target, port: Int($0.port)) } + [own])
        }
        return promise.futureResult
    }

    /// The TLS settings with the system's authorities and those of a file, read again where the file has changed.
    func context(caFile: String) -> EventLoopFuture<NIOSSLContext> {
        let version = caFile.isEmpty ? nil : FileVersion(of: caFile)
        if let known = contexts[caFile], known.file == version { return loop.makeSucceededFuture(known.context) }
        let promise = loop.makePromise(of: NIOSSLContext.self)
        certificates.async {
            promise.completeWith(
                Result {
                    var configuration = TLSConfiguration.makeClientConfiguration()
                    configuration.minimumTLSVersion = .tlsv12
                    if !caFile.isEmpty { configuration.additionalTrustRoots = [.file(caFile)] }
                    return try NIOSSLContext(configuration: configuration)
                }
            )
        }
        return promise.futureResult.assumeIsolated().map { context in
            self.contexts[caFile] = (version, context)
            return context
        }.nonisolated()
    }
}

/// Where a stream leads.
struct StreamTarget {
    struct Server: Equatable, Sendable {
        let host: String
        let port: Int
    }

    var host: String
    var port: Int
    /// As `_xmpp-client._tcp`.
    var service: String?
    var usesTLS: Bool
    /// Empty = the host.
    var tlsName: String
    var caFile: String
    var isGuarded: Bool
    var timeout: TimeAmount

    /// What the certificate is checked against; nil = the address that was connected to, as no name is known.
    var serverName: String? {
        let name = tlsName.isEmpty ? host : tlsName
        let bare = name.hasSuffix(".") ? String(name.dropLast()) : name
        return (try? SocketAddress(ipAddress: bare, port: 0)) == nil ? bare : nil
    }
}
