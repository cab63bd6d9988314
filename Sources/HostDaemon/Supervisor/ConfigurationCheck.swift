// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import NIOCore
import NIOPosix
import QueueCore

/// `hostd --check`: every error of hostd.yaml, sites.d and of what the sites set for plugins, one a line.
///
/// Starts, locks and writes nothing; plugins are tried in probe processes where they lie.
package enum ConfigurationCheck {
    /// The exit status, after all that is wrong was told.
    ///
    /// `handoverFormat`: asked by a running hostd that would re-execute as this one. It then tells only what would keep
    /// it from going on: a plugin that can't be run doesn't.
    package static func run(configPath: String?, threads: Int?, handoverFormat: Int? = nil) -> Int32 {
        if let handoverFormat, handoverFormat != Handover.format {
            Supervisor.complain(
                "the running hostd hands over in format \(handoverFormat), this one takes over from \(Handover.format): "
                    + "stop hostd, then start it"
            )
            return ExitStatus.configurationError
        }
        do {
            let deployment = try Deployment.load(configPath, threads: threads)
            // A start makes it too.
            if handoverFormat != nil { try DeadLetterDirectory.prepare(deployment.config.queue.deadLetterDir) }
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let scan = PluginScan(directory: deployment.config.pluginsDir, stateDirectory: nil)
            let catalog = try loop.makeFutureWithTask { await scan.run() }.wait()
            let descriptors = catalog.loadable.mapValues(\.descriptor)
            let errors =
                handoverFormat == nil
                ? errors(deployment, catalog) : deployment.pluginErrors(descriptors).map(\.description)
            errors.forEach(Supervisor.complain)
            guard errors.isEmpty else { return ExitStatus.configurationError }
            if handoverFormat != nil {
                print(ExecutableTrial.word + HostVersion.current)
                return 0
            }
            let sites = Supervisor.counted(deployment.sites.count, "site")
            let plugins = Supervisor.counted(catalog.loadable.count, "plugin")
            print("\(deployment.config.file ?? "no configuration file, all defaults"): \(sites), \(plugins): no errors")
            return 0
        } catch {
            error.lines.forEach(Supervisor.complain)
            return ExitStatus.configurationError
        }
    }

    /// Stricter than a start, which lets the items of a plugin that can't be run wait.
    static func errors(_ deployment: Deployment, _ catalog: PluginCatalog) -> [String] {
        let descriptors = catalog.loadable.mapValues(\.descriptor)
        let missing = deployment.sites.flatMap { site in
            site.enabledPlugins.compactMap { plugin in
                catalog.reason(against: plugin).map { reason in
                    let line = site.plugins[plugin]?.line ?? 0
                    return
                        "\(ConfigPlace(file: site.file, line: line, key: "plugins.\(plugin)"))can't be run: \(reason)"
                }
            }
        }
        return missing + deployment.pluginErrors(descriptors).map(\.description)
    }
}
