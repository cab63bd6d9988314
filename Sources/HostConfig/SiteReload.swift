// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// What a reading of sites_dir makes of the sites in force: each site's change is taken whole or not at all.
///
/// Pure. A file that is wrong leaves the site that came from it as it was; the others' changes are taken.
package struct SiteReload: Sendable {
    /// Judges what a site sets for its plugins; an error makes the file a wrong one.
    package typealias Check = (SiteConfig) -> [ConfigError]

    /// In force from now on, by nickname.
    package private(set) var sites: [SiteConfig] = []
    /// Each with its file; line and key where it has them.
    package private(set) var errors: [ConfigError] = []
    /// The files that were looked at: `errors` holds all that is wrong with them.
    package private(set) var files: Set<String> = []
    /// `only` names a site that is there, or was.
    package private(set) var isKnown = true

    private var owners: [SiteName: SiteConfig] = [:]

    /// `only`: a site by nickname, by its server's name or by its file; the changes of all others stay where they are.
    package init(inForce: [SiteConfig], listing: SiteListing, only: String? = nil, check: Check = { _ in [] }) {
        if listing.isUnreadable || listing.isMissing && !inForce.isEmpty {
            sites = inForce
            errors = listing.errors
            if listing.isMissing, let folder = inForce.first.map({ TextFile.folder(of: $0.file) }) {
                errors.append(
                    .unreadable(
                        file: folder,
                        reason: "the folder is gone; its sites stay (to remove them, leave it there, empty)"
                    )
                )
            }
            files = Set(errors.map(\.file))
            return
        }
        let before = Dictionary(inForce.map { ($0.file, $0) }) { first, _ in first }
        let isMeant: (SiteFile) -> Bool = { file in
            guard let only else { return true }
            return file.stem == only || file.site?.isCalled(only) == true || before[file.file]?.isCalled(only) == true
        }
        let (meant, others) = (listing.files.filter(isMeant), listing.files.filter { !isMeant($0) })
        files = Set(meant.map(\.file))
        keep(others, before, inForce, only)
        if only == nil {
            errors = listing.errors
            files.formUnion(errors.map(\.file))
        }
        take(meant, before, check)
        sites = owners.values.sorted { $0.nickname < $1.nickname }
    }

    /// What isn't meant stays as it is in force, whatever its file says now.
    private mutating func keep(
        _ others: [SiteFile],
        _ before: [String: SiteConfig],
        _ inForce: [SiteConfig],
        _ only: String?
    ) {
        guard let only else { return }
        let there = Set(others.map(\.file))
        var isGone = false
        for site in inForce where !files.contains(site.file) {
            if site.isCalled(only), !there.contains(site.file) {
                isGone = true
                files.insert(site.file)
            } else {
                owners[site.nickname] = site
            }
        }
        isKnown = isGone || !files.isEmpty
    }

    private mutating func take(_ meant: [SiteFile], _ before: [String: SiteConfig], _ check: Check) {
        var newcomers: [(SiteFile, SiteConfig)] = []
        for file in meant {
            let problems = file.errors + (file.errors.isEmpty ? file.site.map(check) ?? [] : [])
            errors += problems
            // A file without a site says why.
            guard let site = problems.isEmpty ? file.site : before[file.file] else { continue }
            // Who has a nickname keeps it, whatever another file says.
            if before[file.file]?.nickname == site.nickname {
                owners[site.nickname] = site
            } else {
                newcomers.append((file, site))
            }
        }
        for (file, site) in newcomers {
            guard let owner = owners[site.nickname] else {
                owners[site.nickname] = site
                continue
            }
            errors.append(
                .duplicateNickname(
                    file.nicknamePlace,
                    nickname: site.nickname.rawValue,
                    otherFile: owner.file
                )
            )
            if let old = before[file.file], owners[old.nickname] == nil { owners[old.nickname] = old }
        }
    }
}

extension SiteConfig {
    /// By its nickname or by its server's name, as the original's queuectl knew them.
    package func isCalled(_ name: String) -> Bool {
        nickname.rawValue == name || server.lowercased() == name.lowercased()
    }
}

extension ConfigError {
    /// The file that it is about.
    package var file: String {
        switch self {
        case .unreadable(let file, _), .syntax(let file, _, _, _): file
        case .duplicateKey(let place, _), .unknownKey(let place, _), .missingKey(let place, _),
            .wrongValue(let place, _, _), .secret(let place, _), .conflict(let place, _),
            .duplicateNickname(let place, _, _):
            place.file
        case .several(let errors): errors.first?.file ?? ""
        }
    }
}
