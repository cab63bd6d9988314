// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The state directory, ours and locked: one supervisor at a time, and one broker at a time, whoever started it.
struct StateDirectory: Sendable {
    let path: String
    private let lock: FileLock

    /// Creates it (0700) where there is none; the lock is held until this process ends.
    static func open(_ path: String) throws(SupervisorError) -> StateDirectory {
        let status: stat
        do throws(Folder.Failure) {
            status = try Folder.made(path)
        } catch {
            throw .stateDirectory(path, reason: error.reason)
        }
        guard status.st_uid == geteuid() else { throw .stateDirectoryForeign(path, owner: status.st_uid) }
        // Items, credentials and sockets are in it: nobody else's to read.
        guard status.st_mode & 0o077 == 0 || chmod(path, 0o700) == 0 else {
            throw .stateDirectory(path, reason: systemReason(errno))
        }
        guard let lock = try FileLock.take(path + "/hostd.lock", text: "\(getpid())\n") else {
            throw .alreadyRunning(stateDirectory: path, pid: FileLock.text(path + "/hostd.lock"))
        }
        guard mkdir(path + "/journals", 0o700) == 0 || errno == EEXIST else {
            throw .stateDirectory(path + "/journals", reason: systemReason(errno))
        }
        return StateDirectory(path: path, lock: lock)
    }

    /// As an earlier image of this process opened it.
    static func adopted(_ path: String, lock descriptor: Int32) -> StateDirectory {
        StateDirectory(path: path, lock: FileLock.adopted(descriptor))
    }

    /// Of the lock that is held.
    var lockDescriptor: Int32 { lock.descriptor }

    /// A lock that the broker inherits and keeps to its end, also where it outlives a killed supervisor: no two brokers
    /// on one store.
    ///
    /// nil while one still runs.
    func takeBrokerLock() throws(SupervisorError) -> FileLock? { try FileLock.take(path + "/broker.lock", text: nil) }

    /// Likewise for the worker of a singleton queue: no two of them on one site, whatever generation they are of, and
    /// whoever started them.
    func takeSingletonLock(of slot: SlotID) throws(SupervisorError) -> FileLock? {
        var place = slot
        place.generation = 0
        let name = "\(place)".map { $0 == " " || $0 == "/" ? "-" : $0 }
        return try FileLock.take(path + "/\(String(name)).lock", text: nil)
    }
}

/// An exclusive flock on a file.
///
/// It goes with the last descriptor of this open file: ours, or that of a child that inherited it.
final class FileLock: Sendable {
    let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    static func adopted(_ descriptor: Int32) -> FileLock { FileLock(descriptor: descriptor) }

    /// nil where somebody else holds it.
    static func take(_ path: String, text: String?) throws(SupervisorError) -> FileLock? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .stateDirectory(path, reason: systemReason(errno)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw .stateDirectory(path, reason: systemReason(code))
        }
        if let text {
            _ = ftruncate(descriptor, 0)
            _ = pwrite(descriptor, text, text.utf8.count, 0)
        }
        return FileLock(descriptor: descriptor)
    }

    static func text(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return "unknown" }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = read(descriptor, &buffer, buffer.count)
        let digits = buffer.prefix(max(0, count)).prefix { (48...57).contains($0) }
        return digits.isEmpty ? "unknown" : String(decoding: digits, as: UTF8.self)
    }
}
