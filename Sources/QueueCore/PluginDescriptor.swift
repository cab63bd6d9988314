// SPDX-License-Identifier: Apache-2.0

/// What a plugin file says of itself: printed as JSON by the probe, kept by the supervisor, told to broker and workers.
package struct PluginDescriptor: Codable, Hashable, Sendable {
    /// Reverse DNS, `[a-z0-9.-]`.
    package var id: String
    package var version: String
    package var abi: ABIVersion
    package var handlers: [HandlerDescriptor]
    package var configKeys: [ConfigKey]
    /// Queues that the plugin fills for programs outside.
    package var outputs: [QueueName]

    package init(
        id: String,
        version: String,
        abi: ABIVersion,
        handlers: [HandlerDescriptor],
        configKeys: [ConfigKey] = [],
        outputs: [QueueName] = []
    ) {
        self.id = id
        self.version = version
        self.abi = abi
        self.handlers = handlers
        self.configKeys = configKeys
        self.outputs = outputs
    }
}

package struct ABIVersion: Codable, Hashable, Sendable {
    package var major: Int
    /// The oldest host minor that the plugin runs on.
    package var needMinor: Int
    /// The minor of the header that it was built with; shown, never judged.
    package var builtMinor: Int

    package init(major: Int, needMinor: Int, builtMinor: Int) {
        self.major = major
        self.needMinor = needMinor
        self.builtMinor = builtMinor
    }

    private enum CodingKeys: String, CodingKey {
        case major
        case needMinor = "need_minor"
        case builtMinor = "built_minor"
    }
}

/// One queue that a plugin serves.
package struct HandlerDescriptor: Codable, Hashable, Sendable {
    package var queue: QueueName
    package var group: GroupName
    /// Gets each notice that a site distributes.
    package var takesNotices: Bool
    /// Gets the delete frames of a site's notices.
    package var takesDeletes: Bool
    /// Per site at most one worker serves this queue at a time.
    package var isSingleton: Bool
    /// One item in flight per lane.
    package var isOrdered: Bool
    /// Per worker; at least 1.
    package var maxInFlight: Int
    /// Milliseconds per delivery; 0 = the host's default.
    package var timeoutMs: Int
    /// 0 = `queue.max_retries`.
    package var maxAttempts: Int

    package init(
        queue: QueueName,
        group: GroupName = .main,
        takesNotices: Bool = false,
        takesDeletes: Bool = false,
        isSingleton: Bool = false,
        isOrdered: Bool = false,
        maxInFlight: Int = 1,
        timeoutMs: Int = 0,
        maxAttempts: Int = 0
    ) {
        self.queue = queue
        self.group = group
        self.takesNotices = takesNotices
        self.takesDeletes = takesDeletes
        self.isSingleton = isSingleton
        self.isOrdered = isOrdered
        self.maxInFlight = maxInFlight
        self.timeoutMs = timeoutMs
        self.maxAttempts = maxAttempts
    }

    /// An older hostd wrote no `takesDeletes`, into `descriptors.json` and at a handover.
    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            queue: try members.decode(QueueName.self, forKey: .queue),
            group: try members.decode(GroupName.self, forKey: .group),
            takesNotices: try members.decode(Bool.self, forKey: .takesNotices),
            takesDeletes: try members.decodeIfPresent(Bool.self, forKey: .takesDeletes) ?? false,
            isSingleton: try members.decode(Bool.self, forKey: .isSingleton),
            isOrdered: try members.decode(Bool.self, forKey: .isOrdered),
            maxInFlight: try members.decode(Int.self, forKey: .maxInFlight),
            timeoutMs: try members.decode(Int.self, forKey: .timeoutMs),
            maxAttempts: try members.decode(Int.self, forKey: .maxAttempts)
        )
    }
}

/// A key that a site may set under `plugins.NAME`.
package struct ConfigKey: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Sendable { case string, int, bool, list }

    package var name: String
    package var kind: Kind
    package var isRequired: Bool
    package var isSecret: Bool
    package var defaultValue: String?
    package var help: String

    package init(
        name: String,
        kind: Kind,
        isRequired: Bool = false,
        isSecret: Bool = false,
        defaultValue: String? = nil,
        help: String = ""
    ) {
        self.name = name
        self.kind = kind
        self.isRequired = isRequired
        self.isSecret = isSecret
        self.defaultValue = defaultValue
        self.help = help
    }
}
