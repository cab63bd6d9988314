// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A plugin file that is open and has passed step 1: its rights, its ELF headers and its note.
///
/// None of its code has run. It is opened once; what is hashed and copied later comes from the same descriptor. Used by
/// supervisor, probe and worker.
package final class PluginImage: Sendable {
    package let path: String
    package let size: UInt64
    package let note: PluginNote
    private let descriptor: Int32
    private let status: Status

    package init(path: String) throws(PluginRefusal) {
        // Nonblocking: a FIFO must not hold us up. No link: its target isn't what the folder's rights protect.
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw errno == ELOOP ? .symbolicLink : .unreadable(String(errorNumber: errno))
        }
        do {
            status = try Status(descriptor)
            let file = FileBytes(descriptor: descriptor, size: status.size)
            note = try PluginNote(notes: ELFImage(file).notes(file))
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
        size = status.size
    }

    deinit { close(descriptor) }

    /// SHA-256 of the content, in hexadecimal; refused if the file changed meanwhile.
    func sha256() throws(PluginRefusal) -> String {
        guard let hash = FileBytes(descriptor: descriptor, size: size).digest({ _ in }),
            try Status(descriptor) == status
        else { throw .changedMeanwhile }
        return hash
    }

    /// Hands the whole content to `body` and returns its SHA-256, nil if the file's length changed meanwhile.
    func copy(to body: (UnsafeRawBufferPointer) throws(PluginFilesError) -> Void) throws(PluginFilesError) -> String? {
        try FileBytes(descriptor: descriptor, size: size).digest(body)
    }
}

extension PluginImage {
    /// What tells that a file was written to.
    private struct Status: Hashable {
        let size: UInt64
        let modifiedSeconds: Int
        let modifiedNanoseconds: Int

        init(_ descriptor: Int32) throws(PluginRefusal) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .unreadable(String(errorNumber: errno)) }
            guard status.st_mode & S_IFMT == S_IFREG else { throw .fileType(Self.word(status.st_mode & S_IFMT)) }
            guard FileRights.isTrusted(owner: status.st_uid) else { throw .owner(status.st_uid) }
            guard !FileRights.isWritableByOthers(mode: status.st_mode) else { throw .writable(mode: status.st_mode) }
            guard status.st_mode & (S_ISUID | S_ISGID) == 0 else { throw .setuid(mode: status.st_mode) }
            size = UInt64(max(0, status.st_size))
            modifiedSeconds = status.st_mtim.tv_sec
            modifiedNanoseconds = status.st_mtim.tv_nsec
        }

        private static func word(_ type: UInt32) -> String {
            switch type {
            case S_IFDIR: "folder"
            case S_IFIFO: "FIFO"
            case S_IFCHR, S_IFBLK: "device"
            case S_IFSOCK: "socket"
            default: "special file"
            }
        }
    }
}
