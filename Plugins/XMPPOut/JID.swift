// SPDX-License-Identifier: Apache-2.0

/// An address in XMPP: `local@domain/resource`, where only the domain has to be.
struct JID: Hashable, Sendable, CustomStringConvertible {
    /// RFC 7622: of each part.
    private static let maxPart = 1023
    private static let forbiddenInLocal: Set<Unicode.Scalar> = ["\"", "&", "'", "/", ":", "<", ">", "@"]

    let local: String?
    let domain: String
    let resource: String?

    /// nil where it is none.
    ///
    /// Local part and domain are lower-cased, as they are compared; a resource is case sensitive.
    init?(_ text: String) {
        let slash = text.firstIndex(of: "/")
        let bare = slash.map { text[..<$0] } ?? text[...]
        let at = bare.firstIndex(of: "@")
        let local = at.map { bare[..<$0].lowercased() }
        let domain = at.map { bare[bare.index(after: $0)...].lowercased() } ?? bare.lowercased()
        let resource = slash.map { String(text[text.index(after: $0)...]) }
        for part in [local, domain, resource] {
            guard let part else { continue }
            guard !part.isEmpty, part.utf8.count <= Self.maxPart,
                part.unicodeScalars.allSatisfy({ XMLText.isAllowed($0) && $0.value >= 0x20 })
            else { return nil }
        }
        for part in [local, domain] {
            guard let part else { continue }
            guard part.unicodeScalars.allSatisfy({ !$0.properties.isWhitespace && !Self.forbiddenInLocal.contains($0) })
            else { return nil }
        }
        self.local = local
        self.domain = domain
        self.resource = resource
    }

    init(local: String?, domain: String, resource: String? = nil) {
        self.local = local
        self.domain = domain
        self.resource = resource
    }

    /// Without the resource: the contact.
    var bare: String { local.map { "\($0)@\(domain)" } ?? domain }
    var description: String { resource.map { "\(bare)/\($0)" } ?? bare }
}
