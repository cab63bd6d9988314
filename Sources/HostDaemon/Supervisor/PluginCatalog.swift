// SPDX-License-Identifier: Apache-2.0
import PluginFiles
import QueueCore

/// A plugin that can be run: what the probe saw of the private copy at `path`.
struct LoadablePlugin: Codable, Hashable, Sendable {
    var path: String
    var descriptor: PluginDescriptor
}

/// All files of plugins.d as one scan found them.
struct PluginCatalog: Hashable, Sendable {
    enum Verdict: Hashable, Sendable {
        case loadable(LoadablePlugin)
        /// Before any of its code ran.
        case refused(reason: String)
        /// In the load test, or no copy could be made.
        case failed(reason: String)
    }

    struct Entry: Hashable, Sendable {
        /// The file's name in plugins.d.
        var file: String
        /// nil where the file's name is no plugin's.
        var name: PluginName?
        /// From the note; nil where it could not be read.
        var identity: PluginIdentity?
        var verdict: Verdict
    }

    /// By file name.
    var entries: [Entry] = []
    /// Why there are no entries: plugins.d is missing, or not to be trusted.
    var fault: String?

    var loadable: [PluginName: LoadablePlugin] {
        var all: [PluginName: LoadablePlugin] = [:]
        for entry in entries {
            if let name = entry.name, case .loadable(let plugin) = entry.verdict { all[name] = plugin }
        }
        return all
    }

    /// Why this plugin can't be run; nil where it can.
    func reason(against plugin: PluginName) -> String? {
        guard let entry = entries.first(where: { $0.name == plugin }) else {
            return fault ?? "there is no \(plugin).so in plugins.d"
        }
        return entry.verdict.reason.map { "\(entry.file): \($0)" }
    }
}

extension PluginCatalog.Verdict {
    var reason: String? {
        switch self {
        case .loadable: nil
        case .refused(let reason), .failed(let reason): reason
        }
    }
}

/// What a file's note says of it, readable without running it.
struct PluginIdentity: Hashable, Sendable {
    var id: String
    var version: String
    var abi: ABIVersion
}
