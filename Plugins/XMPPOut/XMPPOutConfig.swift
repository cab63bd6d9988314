// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// A site's settings, checked.
///
/// Immutable: a new configuration makes a new one.
struct XMPPOutConfig: Hashable, Sendable {
    enum Mode: String, Sendable {
        /// XEP-0114: a domain of our own behind a server.
        case component
        /// RFC 6120: an account.
        case client
    }

    enum TLS: String, Sendable {
        /// STARTTLS is required, unless the host is this machine: then there is no TLS.
        case auto
        /// STARTTLS is required.
        case required
        /// No TLS.
        case off
        /// TLS from the first byte (XEP-0368, or a tunnel in front of a component's port).
        case direct
    }

    let mode: Mode
    /// The component's own domain, or the account's.
    let domain: String
    /// Where to connect; nil: as the domain's SRV records say.
    let host: String?
    let port: Int
    let user: String
    let resource: String
    let password: String
    let tls: TLS
    let caFile: String?
    /// The status line that contacts see.
    let status: String
    /// Who gets the firehose.
    let firehose: [JID]

    init(_ config: SiteConfig) throws(FrameError) {
        guard let mode = Mode(rawValue: config.string("mode") ?? Mode.client.rawValue) else {
            throw FrameError("mode: expected component or client, found \"\(config.string("mode") ?? "")\"")
        }
        guard let tls = TLS(rawValue: config.string("tls") ?? TLS.auto.rawValue) else {
            throw FrameError("tls: expected auto, required, off or direct, found \"\(config.string("tls") ?? "")\"")
        }
        guard let domain = JID(config.string("domain") ?? ""), domain.local == nil, domain.resource == nil else {
            let found = config.string("domain") ?? ""
            throw FrameError("domain: expected a domain, as xmpp.example.org, found \"\(found)\"")
        }
        let isComponent = mode == .component
        let port = config.int("port") ?? (isComponent ? 5347 : 5222)
        guard (1...65_535).contains(port) else { throw FrameError("port: expected 1 to 65535, found \(port)") }
        let user = try Self.prepared(config.string("user") ?? "update", "user")
        let resource = config.string("resource") ?? "hostd"
        guard JID("\(user)@\(domain.domain)/\(resource)")?.local == user.lowercased() else {
            throw FrameError("user, resource: \"\(user)@\(domain.domain)/\(resource)\" isn't an address")
        }
        let key = isComponent ? "secret" : "password"
        guard var password = config.string(key), !password.isEmpty else {
            throw FrameError("\(key): mode \(mode.rawValue) needs it")
        }
        // A component's secret is hashed as it is (XEP-0114).
        if !isComponent { password = try Self.prepared(password, key) }
        if isComponent, tls == .required {
            throw FrameError("tls: a component's stream has no STARTTLS; use direct with a tunnel, or auto")
        }
        let host = config.string("host").flatMap { $0.isEmpty ? nil : $0 }
        if isComponent, tls == .auto, let host, !Self.isThisMachine(host) {
            throw FrameError(
                "host: a component has no STARTTLS, so messages would cross the network in clear; "
                    + "set tls: direct, or tls: off"
            )
        }
        self.mode = mode
        self.domain = domain.domain
        self.host = host ?? (isComponent ? "127.0.0.1" : nil)
        self.port = port
        self.user = user.lowercased()
        self.resource = resource
        self.password = password
        self.tls = tls
        caFile = config.string("ca_file").flatMap { $0.isEmpty ? nil : $0 }
        status = config.string("status") ?? ""
        firehose = try Self.addresses(config.list("public"))
    }

    /// What the connection and the login depend on: where only the rest changes, the connection stays.
    func hasSameConnection(as other: XMPPOutConfig) -> Bool {
        mode == other.mode && domain == other.domain && host == other.host && port == other.port && user == other.user
            && resource == other.resource && password == other.password && tls == other.tls && caFile == other.caFile
    }

    /// Our full address; a server may bind another resource.
    var address: JID { JID(local: user, domain: domain, resource: resource) }

    /// Where STARTTLS has to come before anything else.
    var requiresTLS: Bool {
        switch tls {
        case .required: true
        case .auto: mode == .client && !(host.map { Self.isThisMachine($0) } ?? false)
        case .off, .direct: false
        }
    }

    var request: StreamRequest {
        var request = StreamRequest(host: host ?? domain, port: port)
        if mode == .client, host == nil { request.srv = tls == .direct ? "_xmpps-client._tcp" : "_xmpp-client._tcp" }
        request.usesTLS = tls == .direct
        // The certificate has to be the domain's, wherever the domain's records lead (RFC 6120 section 13.7.2).
        request.tlsName = mode == .client ? domain : nil
        request.caFile = caFile
        // All of it is the operator's own configuration.
        request.isTrusted = true
        request.timeout = .seconds(30)
        return request
    }

    private static func prepared(_ text: String, _ key: String) throws(FrameError) -> String {
        do { return try SASLprep.prepared(text) } catch { throw FrameError("\(key): \(error.description)") }
    }

    private static func isThisMachine(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }

    private static func addresses(_ texts: [String]) throws(FrameError) -> [JID] {
        var addresses: [JID] = []
        for text in texts {
            guard let address = JID(text) else { throw FrameError("public: \"\(text)\" isn't an address") }
            addresses.append(address)
        }
        return addresses
    }
}

extension XMPPOutConfig {
    static let keys = [
        ConfigKey("mode", .string, default: "client", help: "component (XEP-0114) or client (an account)."),
        ConfigKey("domain", .string, isRequired: true, help: "The component's domain, or the account's."),
        ConfigKey("host", .string, help: "Where to connect; else 127.0.0.1 (component) or by SRV (client)."),
        ConfigKey("port", .int, help: "The server's port: 5347 for components, 5222 for clients if left out."),
        ConfigKey("user", .string, default: "update", help: "The part before the @ of our address."),
        ConfigKey("resource", .string, default: "hostd", help: "The part behind the / of our address."),
        ConfigKey("secret", .string, isSecret: true, help: "The component's secret."),
        ConfigKey("password", .string, isSecret: true, help: "The account's password."),
        ConfigKey(
            "tls",
            .string,
            default: "auto",
            help: "auto (STARTTLS, except to this machine), required, off, or direct (from the first byte)."
        ),
        ConfigKey("ca_file", .string, help: "PEM file of certificate authorities to trust besides the system's."),
        ConfigKey(
            "status",
            .string,
            default: "Send me a message to post a notice",
            help: "The status line that contacts see."
        ),
        ConfigKey("public", .list, help: "Addresses that get every public notice."),
    ]
}
