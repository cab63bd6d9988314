// SPDX-License-Identifier: Apache-2.0

/// A plugin: who it is, which queues it serves, and what it keeps per site.
///
/// One instance lives in each worker. The host opens each site that enables the plugin, and everything with an instance
/// runs on ``HostActor``. docs/plugins.md has a whole one in thirty lines.
public protocol Plugin: SendableMetatype {
    /// What the handlers of one site share; ``Site`` itself where they need nothing else.
    associatedtype State = Site

    /// The id and version in the file's ELF note.
    static var identity: PluginIdentity { get }
    /// What a site may set under `plugins.NAME`; none if left out.
    static var configKeys: [ConfigKey] { get }
    /// Queues that this plugin fills for programs outside, as `xmppin`; none if left out.
    static var outputs: [String] { get }
    /// The queues that this plugin serves.
    static var queues: [ServedQueue<State>] { get }

    /// Starts the plugin in a worker.
    ///
    /// The place to ask for services that it can't do without (``Host/require(_:)``) and to define counters. A thrown
    /// error is a refusal: its text is what `queuectl plugins` shows.
    @HostActor init(host: Host) throws

    /// Opens a site.
    ///
    /// A thrown error is shown as the site's error; the other sites go on.
    @HostActor func open(_ site: Site) throws -> State

    /// Takes a site's new configuration, or throws to keep the old one in force.
    ///
    /// Items under way keep their own.
    ///
    /// ``Site/config`` changes after this has returned. If left out, new configurations are simply taken.
    @HostActor func reconfigure(_ state: State, to config: SiteConfig) throws

    /// No new items will come for the site: say goodbye to whom it is connected.
    ///
    /// The site counts as drained once this has returned and its last handler has. If left out, nothing is done.
    @HostActor func drain(_ state: State) async

    /// The site's end, after its drain or its deadline.
    @HostActor func close(_ state: State)

    /// The worker's end: nothing of the plugin may run after this has returned.
    @HostActor func shutdown()
}

extension Plugin {
    /// No keys.
    public static var configKeys: [ConfigKey] { [] }
    /// No queues for others.
    public static var outputs: [String] { [] }
    /// Takes each new configuration.
    @HostActor public func reconfigure(_ state: State, to config: SiteConfig) throws {}
    /// Nothing to do.
    @HostActor public func drain(_ state: State) async {}
    /// Nothing to do.
    @HostActor public func close(_ state: State) {}
    /// Nothing to do.
    @HostActor public func shutdown() {}
}

extension Plugin where State == Site {
    /// The handlers share nothing but the site.
    @HostActor public func open(_ site: Site) throws -> Site { site }
}

/// A key that a site may set under `plugins.NAME` in its file; the host checks files against these.
public struct ConfigKey: Sendable {
    /// What a value has to be.
    public enum Kind: UInt32, Sendable {
        /// Text.
        case string = 1
        /// A whole number.
        case int = 2
        /// `true` or `false`.
        case bool = 3
        /// A list of texts.
        case list = 4
    }

    /// The key.
    public let name: String
    /// What its value has to be.
    public let kind: Kind
    /// A site without it is refused.
    public let isRequired: Bool
    /// Never logged nor shown.
    public let isSecret: Bool
    /// The value where a site has none, as it would be written in the file.
    public let defaultValue: String?
    /// One sentence for the site's owner.
    public let help: String

    /// Describes a key.
    public init(
        _ name: String,
        _ kind: Kind,
        isRequired: Bool = false,
        isSecret: Bool = false,
        default defaultValue: String? = nil,
        help: String
    ) {
        self.name = name
        self.kind = kind
        self.isRequired = isRequired
        self.isSecret = isSecret
        self.defaultValue = defaultValue
        self.help = help
    }
}
