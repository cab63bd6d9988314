// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Glibc
import QueueStore

/// What went wrong in `queue.dead_letter_dir`, and with which letter.
struct DeadFolderError: Error, CustomStringConvertible {
    let path: String
    let code: Int32
    var letter: Int64?

    var description: String {
        "\(path): \(strerror(code).map { String(cString: $0) } ?? "error \(code)")"
    }
}

/// The files of `queue.dead_letter_dir`.
///
/// Blocks: used by one thread of its own, never by the broker's loop.
struct DeadLetterFolder: Sendable {
    private static let unfinished = ".part"

    let path: String
    /// Files of another store in the same folder are nobody's business here.
    let store: String

    init(path: String, storeID: Int64) {
        self.path = path
        store = String(storeID, radix: 16)
    }

    // MARK: Writing

    /// Frame, shared frame, then the `.json`, whose presence says that the others are there; each is there whole, or
    /// not at all.
    func write(_ letter: DeadLetter) throws(DeadFolderError) {
        let name = DeadFileName(id: letter.item.id, site: letter.site, queue: letter.queue)
        do throws(DeadFolderError) {
            try make()
            try write(letter.item.payload, to: name.description, diedMs: letter.item.dueMs)
            if let shared = letter.item.body { try write(shared.bytes, to: name.shared, diedMs: letter.item.dueMs) }
            try write(metadata(letter, name), to: name.metadata, diedMs: letter.item.dueMs)
        } catch {
            throw DeadFolderError(path: error.path, code: error.code, letter: letter.item.id)
        }
    }

    /// It may have been taken away since the start.
    func make() throws(DeadFolderError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw DeadFolderError(path: path, code: errno) }
    }

    private func metadata(_ letter: DeadLetter, _ name: DeadFileName) throws(DeadFolderError) -> [UInt8] {
        var members = BrokerCommands.describe(letter)
        members["store"] = .string(store)
        members["frame_file"] = .string(name.description)
        members["shared_file"] = letter.item.body == nil ? .null : .string(name.shared)
        members["headers"] = .string(String(decoding: letter.item.headers, as: UTF8.self))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(JSONValue.object(members)) else {
            throw DeadFolderError(path: file(name.metadata), code: EINVAL)
        }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    /// The time of death is the file's time too: a letter that died anew is told from its older file by it.
    private func write(_ bytes: [UInt8], to name: String, diedMs: Int64) throws(DeadFolderError) {
        let whole = file(name)
        let part = file("." + name + Self.unfinished)
        let descriptor = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DeadFolderError(path: part, code: errno) }
        var code: Int32 = 0
        var rest = bytes[...]
        while code == 0, !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { code = errno }
        }
        let time = timespec(tv_sec: time_t(diedMs / 1000), tv_nsec: Int(diedMs % 1000) * 1_000_000)
        if code == 0, futimens(descriptor, [time, time]) != 0 { code = errno }
        if code == 0, fdatasync(descriptor) != 0 { code = errno }
        if close(descriptor) != 0, code == 0 { code = errno }
        if code == 0, rename(part, whole) != 0 { code = errno }
        guard code == 0 else {
            // Half a file is room that something else may need.
            unlink(part)
            throw DeadFolderError(path: whole, code: code)
        }
    }

    // MARK: Removing

    /// The `.json` goes last, so that a removal that was cut off is found again.
    func remove(_ name: DeadFileName) throws(DeadFolderError) {
        for suffix in ["", ".shared", ".json"] {
            let path = file(name.description + suffix)
            guard unlink(path) == 0 || errno == ENOENT else { throw DeadFolderError(path: path, code: errno) }
        }
    }

    // MARK: Comparing

    /// Whether this letter's file is there, and of this death.
    func has(_ letter: DeadLetter) -> Bool {
        let name = DeadFileName(id: letter.item.id, site: letter.site, queue: letter.queue)
        var status = stat()
        guard lstat(file(name.metadata), &status) == 0 else { return false }
        return Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000 == letter.item.dueMs
    }

    /// Whose `.json` names this store.
    func isOurs(_ name: DeadFileName) -> Bool {
        guard let data = FileManager.default.contents(atPath: file(name.metadata)) else { return false }
        return (try? JSONDecoder().decode(JSONValue.self, from: data))?["store"]?.string == store
    }

    func file(_ name: String) -> String { path + "/" + name }

    /// What a broker that was killed left half written.
    func isUnfinished(_ name: String) -> Bool {
        guard name.hasPrefix("."), name.hasSuffix(Self.unfinished) else { return false }
        var stem = name.dropFirst().dropLast(Self.unfinished.count)
        for suffix in [".json", ".shared"] where stem.hasSuffix(suffix) { stem = stem.dropLast(suffix.count) }
        return DeadFileName(metadataFile: stem + ".json") != nil
    }
}

/// Reads a folder's names a page at a time, however many there are.
///
/// Used by the folder's thread alone, one page after the other: hence `@unchecked`, for the C stream in it.
final class FolderWalk: @unchecked Sendable {
    private let folder: DeadLetterFolder
    private var stream: OpaquePointer?

    init(_ folder: DeadLetterFolder) { self.folder = folder }

    deinit { if let stream { closedir(stream) } }

    /// Empty: that was all.
    func next(_ count: Int) throws(DeadFolderError) -> [String] {
        if stream == nil {
            try folder.make()
            stream = opendir(folder.path)
        }
        guard let stream else { throw DeadFolderError(path: folder.path, code: errno) }
        var names: [String] = []
        while names.count < count, let entry = readdir(stream) {
            // The name stands in a tuple; readdir owns it until its next call.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            names.append(name)
        }
        return names
    }
}
