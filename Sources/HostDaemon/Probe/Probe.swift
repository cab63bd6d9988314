// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import PluginFiles
import PluginHost

/// The probe role: loads one plugin file, says in one line of JSON what it is, and ends.
///
/// Started by `ProbeRunner`. The plugin's code may do anything here: only this process is lost. Success is said, never
/// inferred from the exit status, since a constructor may call exit(0).
package enum Probe {
    /// Seconds of CPU time that loading may take.
    private static let cpuLimit: UInt64 = 2
    /// Seconds after which it dies by itself, should the supervisor be gone.
    private static let lifetime: UInt32 = 10

    /// `expectedID`: what the note must say, nil if any will do.
    package static func run(path: String, expectedID: String? = nil) -> Never {
        let answer = takeOutput()
        setLimits()
        let verdict: ProbeAnswer
        do throws(PluginLoadError) {
            verdict = .descriptor(try LoadedPlugin(path: path, expectedID: expectedID).descriptor)
        } catch {
            verdict = .refused(error.description)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let line = try? encoder.encode(verdict) { write(line + [UInt8(ascii: "\n")], to: answer) }
        // Not exit: what the plugin registered with atexit isn't ours to run.
        _exit(0)
    }

    /// Takes standard output for the answer alone and leaves standard error in its place: a plugin may print.
    private static func takeOutput() -> Int32 {
        let highest = Int32(clamping: sysconf(Int32(_SC_OPEN_MAX)))
        for descriptor in 3..<min(max(highest, 3), 4096) { close(descriptor) }
        let answer = fcntl(1, F_DUPFD_CLOEXEC, 3)
        dup2(2, 1)
        return answer
    }

    private static func setLimits() {
        limit(RLIMIT_CORE, 0, 0)
        // Past the first SIGXCPU comes, past the second SIGKILL.
        limit(RLIMIT_CPU, cpuLimit, cpuLimit + 1)
        limit(RLIMIT_NOFILE, 64, 64)
        alarm(lifetime)
    }

    private static func limit(_ resource: __rlimit_resource, _ soft: UInt64, _ hard: UInt64) {
        var limit = rlimit(rlim_cur: rlim_t(soft), rlim_max: rlim_t(hard))
        setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
    }

    private static func write(_ bytes: Data, to descriptor: Int32) {
        var rest = [UInt8](bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
