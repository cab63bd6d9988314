// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// An entry of `queue.breakout`: a queue, or one site's queue, that has a group of its own.
package struct BreakoutSpec: Hashable, Sendable, CustomStringConvertible {
    package let group: GroupName
    package let queue: QueueName
    /// nil = of all sites.
    package let site: SiteName?

    package init(group: GroupName, queue: QueueName, site: SiteName? = nil) {
        self.group = group
        self.queue = queue
        self.site = site
    }

    /// `GROUP/QUEUE` or `GROUP/QUEUE/SITE`; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), let group = GroupName(parts[0]), let queue = QueueName(parts[1]) else {
            return nil
        }
        if parts.count == 3 {
            guard let site = SiteName(parts[2]) else { return nil }
            self.init(group: group, queue: queue, site: site)
        } else {
            self.init(group: group, queue: queue)
        }
    }

    package var description: String { "\(group)/\(queue)" + (site.map { "/\($0)" } ?? "") }

    /// The first two of a list that name the same queue, of the same site or of none.
    static func conflict(_ all: [BreakoutSpec]) -> (BreakoutSpec, BreakoutSpec)? {
        var groups: [BreakoutSpec: BreakoutSpec] = [:]
        for spec in all {
            let lane = BreakoutSpec(group: .main, queue: spec.queue, site: spec.site)
            if let other = groups.updateValue(spec, forKey: lane) { return (other, spec) }
        }
        return nil
    }
}
