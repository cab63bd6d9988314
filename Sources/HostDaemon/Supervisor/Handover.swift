// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Glibc
import QueueCore
import Telemetry

/// All that a supervisor's next image needs to go on where the earlier one stopped: written to memory before execve, read
/// once after it.
///
/// Descriptors in it are open across the exec. The two images are of different versions: members are only added, as
/// optionals, or `format` is raised, and then the earlier version refuses to hand over.
struct Handover: Codable, Equatable {
    static let format = 1
    /// In the environment of the next image: the descriptor that the handover is read from.
    static let variable = "HOSTD_HANDOVER"

    /// A child, adopted as it is.
    struct Child: Codable, Equatable {
        var slot: SlotID
        var pid: Int32
        /// nil: its line is lost, it ends.
        var descriptor: Int32?
        var remainder = ChildLink.Remainder()
        var state: State
        /// What it was told last, as JSON: an unknown member mustn't lose the child.
        var told: JSONValue?
        /// Of the hostd that it runs.
        var version: String
        var siteErrors: [SiteName: String] = [:]
        var wasReady: Bool?
    }

    enum State: String, Codable {
        case starting, ready, draining
        /// SIGKILL is sent.
        case killed
    }

    var format = Handover.format
    /// An exec keeps it: a handover that says otherwise is somebody else's.
    var pid: Int32
    var version: String
    var linkVersion: Int
    var stateDirectory: String
    /// Of `hostd.lock`.
    var lock: Int32
    var doors: BrokerDoors?
    var control: ControlServer.Handed
    var children: [Child]
    var running: [PluginName: SpawnPlan.RunningPlugin]
    /// Milliseconds since the restart was asked for.
    var askedMsAgo: Int
    /// What whoever started hostd left open: it may watch hostd by it, or hold a lock through it.
    var foreign: [Int32]?
    /// What `doors.network` was opened for.
    var listen: String?
    var console: ConsoleDoor?
    var deaths: [Supervisor.DeathKey: Int]?
    var ledger: MetricLedger?
    /// Plugins that have suspects: the broker says it once.
    var hunted: [PluginName]?
    var troubles: SiteTroubles?

    /// What stays open across the exec.
    var descriptors: [Int32] {
        [lock, control.listener.descriptor] + control.connections.map(\.descriptor) + (doors?.descriptors ?? [])
            + (console.map { [$0.socket.descriptor] } ?? []) + children.compactMap(\.descriptor) + (foreign ?? [])
    }

    func encoded() throws -> [UInt8] { [UInt8](try JSONEncoder().encode(self)) }

    /// nil where the bytes are no handover, or none of this process.
    static func decoded(_ bytes: [UInt8], pid: Int32) -> Handover? {
        guard let handover = try? JSONDecoder().decode(Handover.self, from: Data(bytes)), handover.format == format,
            handover.pid == pid
        else { return nil }
        return handover
    }
}

// MARK: Across the exec

extension Handover {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Where the exec went wrong; it doesn't return otherwise.
    ///
    /// All other descriptors are closed by it. Only the supervisor's own signals stay blocked, whatever thread this is.
    func execute(_ path: String, arguments: [String]) -> Failure {
        let memory: Int32
        do {
            memory = try Self.memory(holding: encoded())
        } catch {
            return Failure(description: "\(error)")
        }
        defer { close(memory) }
        let kept = Set(descriptors + [memory])
        let open = Self.openDescriptors
        let flags = open.map { fcntl($0, F_GETFD) }
        for descriptor in open { _ = fcntl(descriptor, F_SETFD, kept.contains(descriptor) ? 0 : FD_CLOEXEC) }
        let environment = ChildProcess.currentEnvironment.filter { !$0.hasPrefix(Self.variable + "=") }
        var (mask, before) = (SignalForwarder.watched, sigset_t())
        pthread_sigmask(SIG_SETMASK, &mask, &before)
        // Unsafe: C wants arrays of strings that end with NULL; they live until the image is replaced.
        let argv = arguments.map { strdup($0) } + [nil]
        let envp = (environment + ["\(Self.variable)=\(memory)"]).map { strdup($0) } + [nil]
        execve(path, argv, envp)
        let reason = systemReason(errno)
        for string in argv + envp { free(string) }
        pthread_sigmask(SIG_SETMASK, &before, nil)
        for (descriptor, flags) in zip(open, flags) { _ = fcntl(descriptor, F_SETFD, flags) }
        return Failure(description: "\(path): \(reason)")
    }

    /// What an earlier image of this process left; to be called before anything is opened.
    ///
    /// One that can't be read leaves nothing open, so that the children of that image see its end, and the lock is free.
    static func received() -> Handover? {
        guard let text = getenv(variable).map({ String(cString: $0) }), let memory = Int32(text) else { return nil }
        var status = stat()
        // Without it the variable was left in the environment by somebody else's shell.
        guard memory > 2, fstat(memory, &status) == 0, status.st_nlink == 0, let bytes = contents(of: memory) else {
            return nil
        }
        let handover = decoded(bytes, pid: getpid())
        if handover == nil { for descriptor in openDescriptors { close(descriptor) } } else { close(memory) }
        for descriptor in handover?.descriptors ?? [] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return handover
    }

    /// Of this process, but the standard three.
    static var openDescriptors: [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return names.compactMap { Int32($0) }.filter { $0 > 2 && fcntl($0, F_GETFD) >= 0 }
    }

    /// Memory without a name: there are secrets in it.
    private static func memory(holding bytes: [UInt8]) throws -> Int32 {
        let name = "/hostd-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
        guard descriptor >= 0 else { throw Failure(description: "no shared memory: \(systemReason(errno))") }
        shm_unlink(name)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = systemReason(errno)
                close(descriptor)
                throw Failure(description: "shared memory can't be written: \(reason)")
            }
            rest = rest.dropFirst(count)
        }
        return descriptor
    }

    private static func contents(of descriptor: Int32) -> [UInt8]? {
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { return nil }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }
}
