// SPDX-License-Identifier: Apache-2.0
import Glibc
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
        var folder = SiteFolder()
        folder.readAll(path)
        return folder
    }

    package subscript(nickname: SiteName) -> SiteConfig? { sites.first { $0.nickname == nickname } }

    private mutating func readAll(_ path: String) {
        guard let names = list(path) else { return }
        var files: [SiteName: String] = [:]
        for name in names where !name.hasPrefix(".") {
            let file = TextFile.resolve(name, in: path)
            if name.hasSuffix(".yml") {
                errors.append(.unreadable(file: file, reason: "a site's file is named NICK.yaml; rename it"))
            }
            guard name.hasSuffix(Self.suffix) else { continue }
            let document = ConfigDocument(file: file, environment: SecretReference.processEnvironment)
            let site = SiteConfig.read(document, path: file)
            errors += document.errors
            guard let site else { continue }
            if let other = files.updateValue(file, forKey: site.nickname) {
                let root = ConfigSection(document.root, document: document)
                errors.append(
                    .duplicateNickname(
                        root.place(of: "nickname"),
                        nickname: site.nickname.rawValue,
                        otherFile: other
                    )
                )
            } else if document.errors.isEmpty {
                sites.append(site)
            }
        }
        sites.sort { $0.nickname < $1.nickname }
    }

    private mutating func list(_ path: String) -> [String]? {
        guard let stream = opendir(path) else {
            isMissing = errno == ENOENT
            if !isMissing { errors.append(.unreadable(file: path, reason: String(cString: strerror(errno)))) }
            return nil
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // d_name is a fixed array in C: read as the NUL-terminated text that it holds.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                    String(cString: $0)
                }
            }
            names.append(name)
        }
        return names.sorted()
    }
}
