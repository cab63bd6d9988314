// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKit

/// What a fake host remembers, behind its lock.
struct FakeHostState {
    struct Site {
        let handle: hostd_site
        /// For `site_name`, whose answer has to stay valid.
        let name: UInt
        var config: ConfigSnapshot
        /// The plugin's `site_state`.
        var pointer: UInt?
        var drained: CheckedContinuation<Void, Never>?
    }

    struct Delivery {
        let site: String
        let queue: String
        let memory: JobMemory
        let recipients: [Recipient]?
        let continuation: CheckedContinuation<FakeDelivery, Never>
        var staged: [FakeItem] = []
    }

    struct Metric: Hashable {
        let name: String
        let site: String
    }

    struct Value {
        let bytes: [UInt8]
        let version: UInt64
        let expires: Int64?
    }

    struct Watch {
        let descriptor: Int32
        var events: DescriptorEvents
        let callback: Callback<hostd_fd_fn>
    }

    /// An operation under way: which site's, and what takes it back.
    struct Operation {
        let site: hostd_site
        var timer: Int64?
    }

    let lacking: Set<Host.Service>
    var plugin: UInt?
    var sites: [String: Site] = [:]
    var deliveries: [hostd_token: Delivery] = [:]
    var operations: [hostd_op: Operation] = [:]
    var watches: [hostd_op: Watch] = [:]
    var log: [FakeHost.LogLine] = []
    var holds: [(queue: String, lane: String, duration: Duration)] = []
    var enqueued: [FakeItem] = []
    /// By id; a gauge has its last value, the others are summed.
    var metricDefinitions: [(name: String, isGauge: Bool)] = []
    var metrics: [Metric: Double] = [:]
    var values: [Metric: Value] = [:]
    private var lastID: UInt64 = 0

    init(lacking: Set<Host.Service>) { self.lacking = lacking }

    mutating func newID() -> UInt64 {
        lastID += 1
        return lastID
    }

    mutating func addSite(_ name: String, _ config: ConfigSnapshot) -> hostd_site {
        let handle = newID()
        sites[name] = Site(handle: handle, name: UInt(bitPattern: immortalCString(name)), config: config)
        return handle
    }

    func siteName(_ handle: hostd_site) -> String? { sites.first { $0.value.handle == handle }?.key }

    mutating func addOperation(_ site: hostd_site) -> hostd_op {
        let operation = hostd_op(newID())
        operations[operation] = Operation(site: site)
        return operation
    }

    mutating func cancelOperations(of name: String) {
        guard let handle = sites[name]?.handle else { return }
        for (operation, _) in operations where operations[operation]?.site == handle {
            operations[operation] = nil
            watches[operation] = nil
        }
    }
}
