// SPDX-License-Identifier: Apache-2.0
import Glibc
import HostConfig
import RecipientDirectory

/// The recipients directory of an installation, also of one that was never started.
struct RecipientsFile {
    private let path: String

    /// Makes state directory and file where there are none, for hostd's user alone.
    ///
    /// The file goes to whoever owns the directory: what root made for itself hostd couldn't open.
    init(_ installation: Installation) throws {
        path = installation.recipientsPath
        let directory = installation.config.stateDir
        if mkdir(directory, 0o700) != 0, errno != EEXIST {
            throw QueueCtlError.stateDirectory(directory, reason: String(cString: strerror(errno)))
        }
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        var owner = stat()
        if geteuid() == 0, stat(directory, &owner) == 0, fchown(file, owner.st_uid, owner.st_gid) != 0 {
            throw QueueCtlError.stateDirectory(path, reason: String(cString: strerror(errno)))
        }
    }

    func reader() throws -> RecipientReader { try RecipientReader(path: path) }
    func writer() throws -> RecipientWriter { try RecipientWriter(path: path) }
}

/// JSON lines of recipients from a file or standard input.
struct RecipientLines {
    private let file: String

    init(_ file: String) { self.file = file }

    /// Tells each bad line on standard error; throws where there was one, after the good ones were taken.
    func apply(
        _ action: RecipientLineAction,
        to directory: RecipientWriter,
        of owner: RecipientsOwner,
        isStrict: Bool
    ) throws -> RecipientImportReport {
        let isInput = file == "-"
        let descriptor = isInput ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw QueueCtlError.unreadableInput(file: file, reason: String(cString: strerror(errno)))
        }
        defer { if !isInput { close(descriptor) } }
        let name = isInput ? "standard input" : file
        let report = try directory.apply(
            action,
            owner.site.site.name,
            owner.plugin.name,
            from: LineReader(descriptor: descriptor, name: name),
            isStrict: isStrict,
            onBadLine: { Output.complain("\(name):\($0.number): \(DisplayText($0.reason).text)") }
        )
        guard report.rejected == 0 else {
            throw QueueCtlError.takenInPart(accepted: report.accepted, refused: report.rejected)
        }
        return report
    }
}

/// Where an export goes.
///
/// A file appears under its name when it is whole, and only its owner may read it.
struct ExportFile: ~Copyable {
    private let path: String?
    private let partial: String
    private let descriptor: Int32
    private let buffer = LineBuffer()

    private final class LineBuffer { var text = "" }

    init(_ path: String) throws {
        guard path != "-" else {
            (self.path, partial, descriptor) = (nil, "", STDOUT_FILENO)
            return
        }
        let partial = "\(path).\(getpid()).partial"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw QueueCtlError.output("\(path): \(String(cString: strerror(errno)))") }
        (self.path, self.partial, self.descriptor) = (path, partial, descriptor)
    }

    deinit {
        guard path != nil else { return }
        close(descriptor)
        // Gone already where it was finished.
        unlink(partial)
    }

    func line(_ text: String) throws {
        buffer.text += text
        buffer.text += "\n"
        if buffer.text.utf8.count >= 64 << 10 { try flush() }
    }

    func finish() throws {
        try flush()
        guard let path else { return }
        guard fsync(descriptor) == 0, rename(partial, path) == 0 else {
            throw QueueCtlError.output("\(path): \(String(cString: strerror(errno)))")
        }
    }

    private func flush() throws {
        try Output.write(buffer.text, to: descriptor)
        buffer.text = ""
    }
}
