// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// All sites of `sites_dir`, read together; a bad file doesn't hide the good ones.
///
/// Files other than NICK.yaml are passed over, so that `sites.d/secrets/` and editors' backups do no harm.
package struct SiteFolder: Sendable {
    /// By nickname.
    package private(set) var sites: [SiteConfig] = []
    package private(set) var errors: [ConfigError] = []
    /// Whether there is no such folder, which means no site.
    package private(set) var isMissing = false

    static let suffix = ".yaml"

    package static func read(_ path: String) -> SiteFolder {
        var files = SiteFiles()
        return SiteFolder(files.read(path))
    }

    private init(_ listing: SiteListing) {
        isMissing = listing.isMissing
        // With nothing in force each file's change is its site.
        let reload = SiteReload(inForce: [], listing: listing)
        sites = reload.sites
        errors = reload.errors
    }

    package subscript(nickname: SiteName) -> SiteConfig? { sites.first { $0.nickname == nickname } }
}
