// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import PluginFiles
import QueueCore

/// Looks through plugins.d, copies what is acceptable, and tries each copy in a probe process: all files at once, on
/// threads of its own.
///
/// Called by the supervisor at its start and for each roll-out, and by `hostd --check`.
struct PluginScan: Sendable {
    var directory: String
    /// Where the private copies go; nil = the files themselves are tried, nothing is written (`--check`).
    var stateDirectory: String?
    var probe = ProbeRunner()

    func run() async -> PluginCatalog {
        let pool = NIOThreadPool(numberOfThreads: System.coreCount)
        pool.start()
        let catalog = await scan(pool)
        // The pool's threads have nothing to do until the next scan, which may be never.
        try? await pool.shutdownGracefully()
        return catalog
    }

    private func scan(_ pool: NIOThreadPool) async -> PluginCatalog {
        do {
            let findings = try await pool.runIfActive { [directory] in try PluginDirectory.scan(directory) }
            return await withTaskGroup(of: PluginCatalog.Entry.self) { group in
                for finding in findings {
                    group.addTask { await entry(for: finding, pool) }
                }
                var catalog = PluginCatalog()
                for await entry in group { catalog.entries.append(entry) }
                catalog.entries.sort { $0.file < $1.file }
                return catalog
            }
        } catch {
            return PluginCatalog(fault: "\(error)")
        }
    }

    private func entry(for finding: PluginDirectory.Finding, _ pool: NIOThreadPool) async -> PluginCatalog.Entry {
        switch finding {
        case .refused(let file, let reason):
            // Named after its file all the same: whoever enables that plugin is told why this file isn't it.
            return PluginCatalog.Entry(
                file: file,
                name: PluginName(String(file.dropLast(".so".count))),
                verdict: .refused(reason: "\(reason)")
            )
        case .accepted(let file):
            let identity = PluginIdentity(id: file.note.id, version: file.note.version, abi: file.note.abi)
            let verdict: PluginCatalog.Verdict
            do {
                verdict = try await pool.runIfActive { try tried(file) }
            } catch {
                verdict = .failed(reason: "\(error)")
            }
            return PluginCatalog.Entry(file: finding.file, name: file.name, identity: identity, verdict: verdict)
        }
    }

    private func tried(_ file: PluginFile) throws -> PluginCatalog.Verdict {
        let path = try stateDirectory.map { try PluginCopy.make(of: file, in: $0) } ?? file.path
        return switch try probe.run(path: path) {
        case .loaded(let descriptor): .loadable(LoadablePlugin(path: path, descriptor: descriptor))
        case .refused(let reason): .failed(reason: "\(reason)")
        }
    }
}
