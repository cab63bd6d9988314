// SPDX-License-Identifier: Apache-2.0

/// Which targets an operator means: one of them as it is written, a host, or all hosts below a domain.
///
/// - `http://remote.example/omb/postnotice`, `bob@remote.example`: that target.
/// - `remote.example`, `remote.example:8080`: whatever is there, by any scheme, path or user; without a port on any.
/// - `*.remote.example`: all hosts below the domain, at any depth, and not the domain itself.
package struct TargetPattern: Hashable, Sendable, CustomStringConvertible {
    /// As it is compared and shown: a host in lower case.
    package let text: String
    let kind: Kind

    enum Kind: Hashable, Sendable {
        case exact
        case host
        /// Without the `*.`.
        case domain(String)
    }

    /// nil where nothing could match it.
    package init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= 2048,
            !text.unicodeScalars.contains(where: { $0.properties.isWhitespace || $0.value < 0x20 })
        else { return nil }
        if text.hasPrefix("*.") {
            let domain = text.dropFirst(2).lowercased()
            guard !domain.isEmpty, domain.allSatisfy({ !"*/@:?#".contains($0) }),
                !domain.hasPrefix("."), !domain.hasSuffix(".")
            else { return nil }
            self.text = "*." + domain
            kind = .domain(domain)
        } else if text.contains("*") && !text.contains("://") {
            return nil
        } else if text.contains("/") || text.contains("@") {
            self.text = text
            kind = .exact
        } else {
            // A target that is one word (an account's number) is found by it too.
            self.text = text.lowercased()
            kind = .host
        }
    }

    package var description: String { text }

    package func matches(_ target: String) -> Bool {
        var list = TargetBlocks()
        list.add(self, site: "")
        return list.matches(target: target, site: "")
    }
}

/// The host of a target, as far as a pattern may be about it.
struct TargetHost: Hashable {
    /// Lower case, without a port; of IPv6 with its brackets.
    let name: Substring
    let port: Substring?

    /// nil where the target names no host.
    init?(_ target: String) {
        var rest = Substring(target)
        if let scheme = rest.firstRange(of: "://") {
            rest = rest[scheme.upperBound...].prefix { !"/?#".contains($0) }
            if let login = rest.lastIndex(of: "@") { rest = rest[rest.index(after: login)...] }
        } else if let at = rest.firstIndex(of: "@") {
            // A JID, or an address of e-mail's form.
            rest = rest[rest.index(after: at)...].prefix { $0 != "/" }
        } else {
            return nil
        }
        let afterHost = rest.hasPrefix("[") ? rest.firstIndex(of: "]").map { rest.index(after: $0) } : nil
        let colon = rest[(afterHost ?? rest.startIndex)...].firstIndex(of: ":")
        port = colon.map { rest[rest.index(after: $0)...] }
        var name = rest[..<(colon ?? rest.endIndex)]
        if name.hasSuffix(".") { name = name.dropLast() }
        guard !name.isEmpty else { return nil }
        self.name = Substring(name.lowercased())
    }
}

/// All patterns whose targets get nothing for now, of one site or of all.
///
/// A look-up costs the same however many patterns there are. Pure.
package struct TargetBlocks: Hashable, Sendable {
    /// Sites by pattern; the empty name stands for all.
    private var exact: [String: Set<String>] = [:]
    private var hosts: [String: Set<String>] = [:]
    private var domains: [String: Set<String>] = [:]

    package init() {}

    package var isEmpty: Bool { exact.isEmpty && hosts.isEmpty && domains.isEmpty }

    /// An empty `site` is all of them.
    package mutating func add(_ pattern: TargetPattern, site: String) {
        switch pattern.kind {
        case .exact: exact[pattern.text, default: []].insert(site)
        case .host: hosts[pattern.text, default: []].insert(site)
        case .domain(let name): domains[name, default: []].insert(site)
        }
    }

    package func matches(target: String, site: String) -> Bool {
        if isEmpty || target.isEmpty { return false }
        func isMeant(_ sites: Set<String>?) -> Bool {
            sites.map { $0.contains("") || $0.contains(site) } ?? false
        }
        if isMeant(exact[target]) { return true }
        guard !hosts.isEmpty || !domains.isEmpty else { return false }
        guard let host = TargetHost(target) else { return isMeant(hosts[target.lowercased()]) }
        if isMeant(hosts[String(host.name)]) { return true }
        if let port = host.port, isMeant(hosts["\(host.name):\(port)"]) { return true }
        guard !domains.isEmpty else { return false }
        var rest = host.name
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            if isMeant(domains[String(rest)]) { return true }
        }
        return false
    }
}
