// SPDX-License-Identifier: Apache-2.0
import Glibc
package import QueueCore

/// A worker's note of the site that its plugin is opening, in a small file: a plugin that dies in there doesn't get to
/// say so, and the supervisor has to know which site to leave shut.
///
/// Written by the worker's loop, with one system call each time; read by the supervisor once the worker is gone.
package final class OpeningNote {
    /// A site's nickname has at most 64 octets; zeros fill the rest.
    private static let size = 64

    package let path: String
    private let file: Int32

    package static func path(stateDirectory: String, plugin: PluginName, pid: Int32) -> String {
        "\(stateDirectory)/journals/\(plugin)-\(pid).opening"
    }

    /// Makes the file anew.
    ///
    /// Where that can't be, nothing is noted: a worker works all the same.
    package init(path: String) {
        self.path = path
        unlink(path)
        file = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    }

    deinit { if file >= 0 { close(file) } }

    /// nil: no site is being opened any more.
    package func set(_ site: SiteName?) {
        guard file >= 0 else { return }
        var bytes = Array((site?.rawValue ?? "").utf8.prefix(Self.size))
        bytes += [UInt8](repeating: 0, count: Self.size - bytes.count)
        _ = pwrite(file, bytes, bytes.count, 0)
    }

    /// The file of a worker that ended in good order.
    package func remove() { unlink(path) }

    /// Takes a dead worker's note: the site that it was opening, if any; the file is gone then.
    package static func take(_ path: String) -> SiteName? {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        defer {
            close(file)
            unlink(path)
        }
        var bytes = [UInt8](repeating: 0, count: size)
        let count = pread(file, &bytes, size, 0)
        guard count > 0 else { return nil }
        return SiteName(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
    }
}
