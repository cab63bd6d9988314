// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// Which plugins have a hunter: those with items that may have killed a worker, and for a while those that had some, since
/// an item that killed its hunter comes back within seconds.
struct Hunts: Equatable {
    /// Longer than the broker waits between two tries of such an item.
    static let linger = Duration.seconds(5)

    private(set) var hunted: Set<PluginName> = []
    /// Until when a hunter is kept that has nothing to hunt.
    private var lingering: [PluginName: Duration] = [:]

    var plugins: Set<PluginName> { hunted.union(lingering.keys) }

    /// The broker's word.
    mutating func set(_ plugins: Set<PluginName>, at now: Duration) {
        for plugin in hunted.subtracting(plugins) { keep(plugin, until: now + Self.linger) }
        hunted = plugins
    }

    /// A hunter for something else than suspects.
    mutating func keep(_ plugin: PluginName, until end: Duration) {
        lingering[plugin] = max(end, lingering[plugin] ?? .zero)
    }

    /// That something is over.
    mutating func letGo(_ plugin: PluginName, at now: Duration) { lingering[plugin] = now + Self.linger }

    mutating func expire(at now: Duration) { lingering = lingering.filter { $0.value > now } }
}
