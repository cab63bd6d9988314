// SPDX-License-Identifier: Apache-2.0
import Glibc

/// One file of sites_dir as it was read.
package struct SiteFile: Hashable, Sendable {
    /// Its path.
    package let file: String
    /// nil where the errors leave none.
    package let site: SiteConfig?
    package let errors: [ConfigError]
    /// Where the nickname stands.
    let nicknamePlace: ConfigPlace

    /// NICK of NICK.yaml.
    package var stem: String {
        String((file.split(separator: "/").last ?? "").dropLast(SiteFolder.suffix.count))
    }

    init(reading file: String) {
        let document = ConfigDocument(file: file, environment: SecretReference.processEnvironment)
        self.file = file
        site = SiteConfig.read(document, path: file)
        errors = document.errors
        nicknamePlace = ConfigSection(document.root, document: document).place(of: "nickname")
    }
}

/// What sites_dir holds: its files one by one, and what is wrong with the folder itself.
package struct SiteListing: Sendable {
    /// By name.
    package internal(set) var files: [SiteFile] = []
    package internal(set) var errors: [ConfigError] = []
    /// There is no such folder.
    package internal(set) var isMissing = false
    /// It is there and can't be read.
    package internal(set) var isUnreadable = false
}

/// The files of sites_dir as they were last read: one that hasn't changed since isn't parsed again.
///
/// The supervisor keeps it, so that an update among a thousand sites costs a thousand looks, not a thousand parses.
package struct SiteFiles: Sendable {
    /// What tells a file's content from another, unless it is written twice within a tick of the file system's clock.
    private struct Mark: Hashable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var modified: Int
        var modifiedNs: Int
        var changed: Int
        var changedNs: Int

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int64(status.st_size)
            modified = status.st_mtim.tv_sec
            modifiedNs = status.st_mtim.tv_nsec
            changed = status.st_ctim.tv_sec
            changedNs = status.st_ctim.tv_nsec
        }
    }

    private struct Entry {
        var mark: Mark
        var file: SiteFile
    }

    /// A file that was changed shorter ago than this is read again the next time too: some file systems keep whole
    /// seconds, and the kernel's clock for them ticks slowly.
    private let settledSeconds: Int
    private var known: [String: Entry] = [:]
    /// How many files were opened and parsed so far.
    private(set) var parsed = 0

    package init() { self.init(settledSeconds: 2) }

    /// `settledSeconds`: for tests, which can't set a file's time of change.
    init(settledSeconds: Int) { self.settledSeconds = settledSeconds }

    /// Looks at all files of the folder, parses those that are new or changed, and forgets those that are gone.
    package mutating func read(_ path: String) -> SiteListing {
        var listing = SiteListing()
        guard let names = Self.list(path, into: &listing) else {
            known = [:]
            return listing
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var next: [String: Entry] = [:]
        next.reserveCapacity(names.count)
        for name in names where !name.hasPrefix(".") {
            let file = TextFile.resolve(name, in: path)
            if name.hasSuffix(".yml") {
                listing.errors.append(
                    .unreadable(file: file, reason: "a site's file is named NICK.yaml; rename it")
                )
            }
            guard name.hasSuffix(SiteFolder.suffix) else { continue }
            var status = stat()
            // Before the file is read: what changes meanwhile has another mark the next time.
            let mark = stat(file, &status) == 0 ? Mark(status) : nil
            if let mark, let entry = known[file], entry.mark == mark {
                next[file] = entry
                listing.files.append(entry.file)
                continue
            }
            let read = SiteFile(reading: file)
            parsed += 1
            listing.files.append(read)
            if let mark, mark.changed + settledSeconds < now.tv_sec {
                next[file] = Entry(mark: mark, file: read)
            }
        }
        known = next
        return listing
    }

    private static func list(_ path: String, into listing: inout SiteListing) -> [String]? {
        guard let stream = opendir(path) else {
            listing.isMissing = errno == ENOENT
            listing.isUnreadable = !listing.isMissing
            if listing.isUnreadable {
                listing.errors.append(.unreadable(file: path, reason: String(cString: strerror(errno))))
            }
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
