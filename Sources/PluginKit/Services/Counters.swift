// SPDX-License-Identifier: Apache-2.0

import PluginABI

// The host adds the plugin's and the site's labels. Without `hostd.metrics/1` these do nothing.

extension Host {
    /// Defines a number that only grows.
    ///
    /// In ``Plugin/init(host:)`` only.
    public func counter(_ name: String, help: String) -> Counter {
        Counter(host: self, id: define(HOSTD_M_COUNTER, name, help))
    }

    /// Defines a number that goes up and down.
    ///
    /// In ``Plugin/init(host:)`` only.
    public func gauge(_ name: String, help: String) -> Gauge {
        Gauge(host: self, id: define(HOSTD_M_GAUGE, name, help))
    }

    /// Defines a distribution.
    ///
    /// In ``Plugin/init(host:)`` only.
    public func histogram(_ name: String, help: String) -> Histogram {
        Histogram(host: self, id: define(HOSTD_M_HISTOGRAM, name, help))
    }

    private func define(_ kind: UInt32, _ name: String, _ help: String) -> UInt32? {
        guard let define = metrics?.pointee.define else { return nil }
        var id: UInt32 = 0
        let status = name.withSlice { name in help.withSlice { help in define(table, kind, name, help, &id) } }
        guard status == HOSTD_OK else {
            log.warning("a metric was refused by the host", ["metric": name, "status": "\(status)"])
            return nil
        }
        return id
    }

    fileprivate func record(_ id: UInt32?, _ value: Double, _ site: Site) {
        guard let id, let record = metrics?.pointee.record else { return }
        _ = record(table, id, site.handle, value)
    }
}

/// A number that only grows.
public struct Counter: Sendable {
    fileprivate let host: Host
    fileprivate let id: UInt32?

    /// Adds to it.
    public func add(_ amount: Double = 1, _ site: Site) { host.record(id, amount, site) }
}

/// A number that goes up and down.
public struct Gauge: Sendable {
    fileprivate let host: Host
    fileprivate let id: UInt32?

    /// Sets it.
    public func set(_ value: Double, _ site: Site) { host.record(id, value, site) }
}

/// A distribution of values.
public struct Histogram: Sendable {
    fileprivate let host: Host
    fileprivate let id: UInt32?

    /// Adds a value to it.
    public func observe(_ value: Double, _ site: Site) { host.record(id, value, site) }
}
