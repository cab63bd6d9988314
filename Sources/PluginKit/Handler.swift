// SPDX-License-Identifier: Apache-2.0

/// What a plugin does with the items of one queue of one site.
///
/// PluginKit makes one handler per site and queue when the site is opened (``ServedQueue``), and calls ``handle(_:)``
/// for each item, up to the queue's `maxInFlight` at a time. All of it runs on ``HostActor``, the host's serial thread:
/// a handler's own properties need no lock, but between two `await`s it should need less than a tenth of a second.
@HostActor
public protocol Handler {
    /// Carries out one item, which is good until this returns, and says what came of it.
    ///
    /// A thrown ``Outcome`` counts as if it were returned; a ``FrameError`` is a dead letter; any other error is a
    /// ``Outcome/retry(after:reason:_:maybeDelivered:)`` with the error's text. Near the item's deadline, and where the
    /// site drains, the task is cancelled: end soon.
    func handle(_ item: Item) async throws -> Outcome
}

/// A queue that a plugin serves, how, and the handler for it.
public struct ServedQueue<State>: Sendable {
    /// The queue's name, as `ombout`.
    public let name: String
    /// Queues of one group share worker processes.
    public let group: String
    /// Stage 1: gets each notice that a site distributes.
    public let takesNotices: Bool
    /// Stage 1: gets the frame `{"delete": URI}` too, once what still waited of that notice was dropped.
    ///
    /// Take back what you delivered of it; an older hostd sends none.
    public let takesDeletes: Bool
    /// Per site at most one worker serves this queue at a time, as it holds a login.
    public let isSingleton: Bool
    /// One item in flight per lane: the next one starts when the last is settled.
    public let isOrdered: Bool
    /// Items in handlers at one time, per worker and over all sites; the configuration can only lower it.
    public let maxInFlight: Int
    /// How long one item may take; nil = the host's default.
    public let timeout: Duration?
    /// Attempts before an item is a dead letter; nil = the host's `queue.max_retries`.
    public let maxAttempts: Int?
    let make: @HostActor (State) throws -> any Handler

    /// Describes a queue.
    ///
    /// `make`: Called when a site is opened whose items of this queue come to this worker.
    public init(
        _ name: String,
        group: String = "main",
        takesNotices: Bool = false,
        takesDeletes: Bool = false,
        isSingleton: Bool = false,
        isOrdered: Bool = false,
        maxInFlight: Int = 1,
        timeout: Duration? = nil,
        maxAttempts: Int? = nil,
        _ make: @escaping @HostActor (State) throws -> any Handler
    ) {
        self.name = name
        self.group = group
        self.takesNotices = takesNotices
        self.takesDeletes = takesDeletes
        self.isSingleton = isSingleton
        self.isOrdered = isOrdered
        self.maxInFlight = maxInFlight
        self.timeout = timeout
        self.maxAttempts = maxAttempts
        self.make = make
    }
}
