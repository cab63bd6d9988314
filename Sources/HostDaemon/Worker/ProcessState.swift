// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What a plugin must leave alone in its process, as it was before the plugin was loaded: some runtimes (Go's among them)
/// install signal handlers, some libraries change more.
struct ProcessState {
    private struct Descriptor: Equatable {
        var device: UInt
        var inode: UInt
        var copy: CInt
    }

    private let actions: [CInt: sigaction]
    private let mask: mode_t
    private let directory: CInt
    private let descriptors: [CInt: Descriptor]

    /// The state of now.
    init() {
        var actions: [CInt: sigaction] = [:]
        for signal in 1..<65 where signal != SIGKILL && signal != SIGSTOP {
            var action = sigaction()
            if sigaction(CInt(signal), nil, &action) == 0 { actions[CInt(signal)] = action }
        }
        self.actions = actions
        mask = umask(0)
        umask(mask)
        directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        var descriptors: [CInt: Descriptor] = [:]
        for number in CInt(0)...2 {
            guard let (device, inode) = Self.identity(number) else { continue }
            descriptors[number] = Descriptor(device: device, inode: inode, copy: fcntl(number, F_DUPFD_CLOEXEC, 3))
        }
        self.descriptors = descriptors
    }

    /// Puts back what has changed since, and names it.
    func restore() -> [String] {
        var changed: [String] = []
        for (signal, var before) in actions.sorted(by: { $0.key < $1.key }) {
            var now = sigaction()
            guard sigaction(signal, nil, &now) == 0, !Self.isSame(before, now) else { continue }
            sigaction(signal, &before, nil)
            changed.append("the handler of signal \(signal)")
        }
        if umask(mask) != mask { changed.append("the umask") }
        if directory >= 0 {
            if Self.identity(directory).map({ "\($0)" }) != Self.identity(at: ".").map({ "\($0)" }) {
                changed.append(
                    fchdir(directory) == 0 ? "the working directory" : "the working directory (still changed)"
                )
            }
            close(directory)
        }
        for (number, before) in descriptors.sorted(by: { $0.key < $1.key }) {
            let now = Self.identity(number)
            if now?.device != before.device || now?.inode != before.inode {
                dup2(before.copy, number)
                changed.append("file descriptor \(number)")
            }
            close(before.copy)
        }
        return changed
    }

    private static func isSame(_ left: sigaction, _ right: sigaction) -> Bool {
        // The handler's address, whichever member of the union holds it.
        let address = { (action: sigaction) in
            withUnsafeBytes(of: action.__sigaction_handler) { $0.loadUnaligned(as: UInt.self) }
        }
        return address(left) == address(right) && left.sa_flags == right.sa_flags
    }

    private static func identity(_ descriptor: CInt) -> (device: UInt, inode: UInt)? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? (UInt(status.st_dev), UInt(status.st_ino)) : nil
    }

    private static func identity(at path: String) -> (device: UInt, inode: UInt)? {
        var status = stat()
        return stat(path, &status) == 0 ? (UInt(status.st_dev), UInt(status.st_ino)) : nil
    }
}
