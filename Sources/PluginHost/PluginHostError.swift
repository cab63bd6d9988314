// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// Why a plugin can't be put to work. (`PluginLoadError` is about getting it into the process.)
package enum PluginHostError: Error, Equatable, CustomStringConvertible {
    case initFailed(plugin: PluginName, status: Int32, message: String)
    case siteOpenFailed(plugin: PluginName, site: SiteName, status: Int32, message: String)
    case reconfigureFailed(plugin: PluginName, site: SiteName, status: Int32, message: String)
    case siteIsOpen(SiteName)
    case storeUnusable(path: String, message: String)

    package var description: String {
        switch self {
        case .initFailed(let plugin, let status, let message):
            "plugin \(plugin): init() failed with \(status): \(message.isEmpty ? "no message" : message)"
        case .siteOpenFailed(let plugin, let site, let status, let message):
            "plugin \(plugin), site \(site): site_open() failed with \(status): \(message.isEmpty ? "no message" : message)"
        case .reconfigureFailed(let plugin, let site, let status, let message):
            "plugin \(plugin), site \(site): the new configuration was refused with \(status), the old one stays in force: "
                + (message.isEmpty ? "no message" : message)
        case .siteIsOpen(let site):
            "site \(site) is open already"
        case .storeUnusable(let path, let message):
            "\(path): \(message)"
        }
    }
}
