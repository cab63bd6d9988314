// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Reads small text files whole; says in words why one can't be read.
enum TextFile {
    struct Failure: Error, Equatable {
        let isMissing: Bool
        let reason: String
    }

    static func read(_ path: String, limit: Int) throws(Failure) -> String {
        // Non-blocking, so that opening a FIFO by mistake doesn't hang the start.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(isMissing: false, reason: "not a regular file") }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(errno) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw Failure(isMissing: false, reason: "larger than \(limit / 1024) KiB")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(isMissing: false, reason: "not UTF-8 text")
        }
        return text
    }

    /// `path` as it stands where it is absolute, else below `folder`.
    static func resolve(_ path: String, in folder: String) -> String {
        if path.hasPrefix("/") { return path }
        return folder.hasSuffix("/") ? folder + path : "\(folder)/\(path)"
    }

    /// The absolute folder that holds `path`.
    static func folder(of path: String) -> String {
        let absolute = resolve(path, in: workingFolder)
        guard let slash = absolute.lastIndex(of: "/"), slash > absolute.startIndex else { return "/" }
        return String(absolute[..<slash])
    }

    static var workingFolder: String {
        guard let path = getcwd(nil, 0) else { return "." }
        defer { free(path) }
        return String(cString: path)
    }

    private static func failure(_ number: Int32) -> Failure {
        Failure(isMissing: number == ENOENT, reason: String(cString: strerror(number)))
    }
}
