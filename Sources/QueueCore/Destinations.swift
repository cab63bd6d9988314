// SPDX-License-Identifier: Apache-2.0

/// An entry of `queue.breakout`: a queue, or a queue of one site, that gets a group of its own.
package struct Breakout: Hashable, Sendable {
    package let group: GroupName
    package let queue: QueueName
    package let site: SiteName?

    /// nil where the text isn't GROUP/QUEUE or GROUP/QUEUE/SITE.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 || parts.count == 3, let group = GroupName(parts[0]), let queue = QueueName(parts[1])
        else {
            return nil
        }
        if parts.count == 3 {
            guard let site = SiteName(parts[2]) else { return nil }
            self.site = site
        } else {
            site = nil
        }
        self.group = group
        self.queue = queue
    }

    package var path: String { "\(group)/\(queue)" + (site.map { "/\($0)" } ?? "") }
}

/// Which STOMP destinations are hostd's own: the base name with a group, or with a breakout entry, behind it.
package struct Destinations: Hashable, Sendable {
    package let basename: String
    private let breakouts: [Breakout]
    private let own: Set<String>

    package init(basename: String, groups: some Sequence<GroupName>, breakouts: [Breakout]) {
        self.basename = basename
        self.breakouts = breakouts
        var own: Set<String> = [basename + GroupName.main.rawValue]
        for group in groups { own.insert(basename + group.rawValue) }
        for breakout in breakouts { own.insert(basename + breakout.path) }
        self.own = own
    }

    /// True: items sent there carry a site and a queue, and are judged by hostd.
    package func isOwn(_ destination: String) -> Bool { own.contains(destination) }

    /// Where the original's look-up puts an item: `G/Q/S`, else `G/Q`, else `G`.
    package func destination(group: GroupName, queue: QueueName, site: SiteName) -> String {
        basename + path(group: group, queue: queue, site: site)
    }

    /// The same without the base name: the group, or the breakout entry, whose workers serve the item.
    package func path(group: GroupName, queue: QueueName, site: SiteName) -> String {
        let mine = breakouts.filter { $0.group == group && $0.queue == queue }
        let best = mine.first { $0.site == site } ?? mine.first { $0.site == nil }
        return best?.path ?? group.rawValue
    }
}
