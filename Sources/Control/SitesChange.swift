// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// A site as a role knows it, by its nickname.
package protocol NicknamedSite: Codable, Hashable, Sendable {
    var nickname: SiteName { get }
}

extension SiteEntry: NicknamedSite {}
extension WorkerSite: NicknamedSite {}

/// What changed among a child's sites since it was told them: so that one site's change costs one site, not a thousand.
package struct SitesChange<Site: NicknamedSite>: Codable, Hashable, Sendable {
    /// New ones, and those that are different now.
    package var changed: [Site]
    package var removed: [SiteName]

    package init(changed: [Site] = [], removed: [SiteName] = []) {
        self.changed = changed
        self.removed = removed
    }

    package init(from old: [Site], to new: [Site]) {
        let before = Dictionary(old.map { ($0.nickname, $0) }) { $1 }
        let names = Set(new.map(\.nickname))
        changed = new.filter { before[$0.nickname] != $0 }
        removed = old.map(\.nickname).filter { !names.contains($0) }
    }

    /// The sites after it, in order of their nicknames.
    package func applied(to sites: [Site]) -> [Site] {
        var all = Dictionary(sites.map { ($0.nickname, $0) }) { $1 }
        for site in removed { all[site] = nil }
        for site in changed { all[site.nickname] = site }
        return all.values.sorted { $0.nickname < $1.nickname }
    }
}

/// A change of a child's configuration that is about nothing but sites.
package enum RoleChange: Codable, Hashable, Sendable {
    case broker(SitesChange<SiteEntry>)
    case worker(SitesChange<WorkerSite>)
}

extension RoleConfiguration {
    /// How `old` becomes this one; nil where more than its sites differs.
    package func change(since old: RoleConfiguration) -> RoleChange? {
        switch (old, self) {
        case (.broker(var before), .broker(let now)):
            let sites = before.sites
            before.sites = now.sites
            return before == now ? .broker(SitesChange(from: sites, to: now.sites)) : nil
        case (.worker(var before), .worker(let now)):
            let sites = before.sites
            before.sites = now.sites
            return before == now ? .worker(SitesChange(from: sites, to: now.sites)) : nil
        default: return nil
        }
    }
}
