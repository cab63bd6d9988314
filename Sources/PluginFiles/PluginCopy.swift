// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The private, content-addressed copies that are loaded: `STATE_DIR/plugins/NAME-HASH.so`.
///
/// Called by the supervisor. Overwriting a file in plugins.d, as cp does, would change the text of a running worker;
/// nobody but us writes here. Equal content gives an equal path, so a generation's files are told apart by their paths.
package enum PluginCopy {
    /// The absolute path of a copy whose content is what was checked; made where there is none yet.
    package static func make(of file: PluginFile, in stateDirectory: String) throws(PluginFilesError) -> String {
        let folder = try self.folder(in: stateDirectory)
        let path = "\(folder)/\(file.name)-\(file.sha256.prefix(16)).so"
        if isIntact(path, sha256: file.sha256) { return path }
        // The process id keeps a second hostd, started by mistake, out of our way.
        let draft = "\(folder)/.\(file.name)-\(file.sha256.prefix(16)).\(getpid())\(draftSuffix)"
        unlink(draft)
        do throws(PluginFilesError) {
            try write(file, to: draft)
            guard rename(draft, path) == 0 else { throw .copy(to: path, why: String(errorNumber: errno)) }
        } catch {
            unlink(draft)
            throw error
        }
        try sync(folder)
        return path
    }

    /// Removes all copies but those whose paths are given, and drafts of a hostd that died.
    ///
    /// A worker that still runs a removed copy keeps it mapped.
    package static func prune(in stateDirectory: String, keeping paths: Set<String>) throws(PluginFilesError) {
        let folder = try self.folder(in: stateDirectory)
        guard let entries = opendir(folder) else { throw .copy(to: folder, why: String(errorNumber: errno)) }
        defer { closedir(entries) }
        while let entry = readdir(entries) {
            // Unsafe: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let path = "\(folder)/\(name)"
            if (name.hasSuffix(".so") && !paths.contains(path)) || name.hasSuffix(draftSuffix) { unlink(path) }
        }
    }

    private static let draftSuffix = ".draft"

    /// The folder's absolute path; it is ours alone.
    private static func folder(in stateDirectory: String) throws(PluginFilesError) -> String {
        let wanted = "\(stateDirectory)/plugins"
        guard mkdir(wanted, 0o700) == 0 || errno == EEXIST else {
            throw .copy(to: wanted, why: String(errorNumber: errno))
        }
        if let fault = FileRights.fault(ofFolder: wanted) { throw .folder(wanted, fault: fault) }
        guard chmod(wanted, 0o700) == 0, let real = realpath(wanted, nil) else {
            throw .copy(to: wanted, why: String(errorNumber: errno))
        }
        defer { free(real) }
        return String(cString: real)
    }

    private static func isIntact(_ path: String, sha256: String) -> Bool {
        guard let image = try? PluginImage(path: path) else { return false }
        return (try? image.sha256()) == sha256
    }

    private static func write(_ file: PluginFile, to draft: String) throws(PluginFilesError) {
        func failed() -> PluginFilesError { .copy(to: draft, why: String(errorNumber: errno)) }
        // Read only: dlopen needs no more, and nobody is tempted to write into mapped text.
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o400)
        guard descriptor >= 0 else { throw failed() }
        defer { close(descriptor) }
        let hash = try file.image.copy { (piece) throws(PluginFilesError) in
            var rest = piece
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failed() }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
        guard hash == file.sha256 else { throw .copyDiffers(from: file.path) }
        guard fsync(descriptor) == 0 else { throw failed() }
    }

    /// Makes the rename itself durable.
    private static func sync(_ folder: String) throws(PluginFilesError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, fsync(descriptor) == 0 else { throw .copy(to: folder, why: String(errorNumber: errno)) }
    }
}
