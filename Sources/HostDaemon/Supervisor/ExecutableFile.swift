// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The file that this process was started from, by the path that it was called by: another one may lie there by now.
struct ExecutableFile: Sendable {
    /// What tells one file from another, written in place or renamed.
    struct Identity: Hashable, Sendable {
        var device: UInt
        var inode: UInt
        var size: Int
        var modifiedNs: Int

        /// nil where there is no file that could be run.
        init?(path: String) {
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
            size = Int(status.st_size)
            modifiedNs = Int(status.st_mtim.tv_sec) * 1_000_000_000 + Int(status.st_mtim.tv_nsec)
        }
    }

    /// Absolute; a symbolic link in it is looked up anew each time.
    let path: String
    /// Of what runs.
    let identity: Identity

    init(path: String, identity: Identity) {
        self.path = path
        self.identity = identity
    }

    /// nil where the system doesn't say what runs.
    ///
    /// `name`: argv[0], as a shell or systemd looked it up.
    static func running(
        calledBy name: String = CommandLine.arguments.first ?? "",
        searchPath: String = getenv("PATH").map { String(cString: $0) } ?? ""
    ) -> ExecutableFile? {
        guard let identity = Identity(path: "/proc/self/exe") else { return nil }
        let folders = name.contains("/") ? [""] : searchPath.split(separator: ":").map { $0 + "/" }
        for folder in folders {
            let path = absolute(folder + name)
            if Identity(path: path) == identity { return ExecutableFile(path: path, identity: identity) }
        }
        return link("/proc/self/exe").map { ExecutableFile(path: $0, identity: identity) }
    }

    /// The file that lies there now, if it isn't the one that runs; a file that is gone is no upgrade.
    var replacement: Identity? {
        guard let now = Identity(path: path), now != identity else { return nil }
        return now
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }

    /// Where the link points to; the kernel says " (deleted)" of a file that was replaced since.
    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard readlink(path, &buffer, buffer.count - 1) > 0 else { return nil }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let mark = " (deleted)"
        return text.hasSuffix(mark) ? String(text.dropLast(mark.count)) : text
    }
}
