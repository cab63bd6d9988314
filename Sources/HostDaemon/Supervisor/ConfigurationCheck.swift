// SPDX-License-Identifier: Apache-2.0
import Glibc
import HostConfig
import NIOCore
import NIOPosix
import QueueCore

/// `hostd --check`: every error of hostd.yaml, sites.d and of what the sites set for plugins, one a line.
///
/// Starts, locks and writes nothing; plugins are tried in probe processes where they lie.
package enum ConfigurationCheck {
    package static func run(configPath: String?, threads: Int?) -> Int32 {
        do {
            let deployment = try Deployment.load(configPath, threads: threads)
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let scan = PluginScan(directory: deployment.config.pluginsDir, stateDirectory: nil)
            let catalog = try loop.makeFutureWithTask { await scan.run() }.wait()
            let errors = errors(deployment, catalog)
            errors.forEach(Supervisor.complain)
            guard errors.isEmpty else { return ExitStatus.configurationError }
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
