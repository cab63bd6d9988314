// SPDX-License-Identifier: Apache-2.0

/// How a connection ended, or why none came about.
struct ConnectionFailure: Error, Hashable, CustomStringConvertible {
    enum Kind: Hashable {
        /// The network, or the server's own trouble: tried again soon.
        case temporary
        /// Login, certificate or address: only an operator can help; tried again now and then.
        case refused
        /// Somebody else uses our address.
        case conflict
    }

    let kind: Kind
    let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// When to connect again.
///
/// Pure.
struct Reconnect: Hashable {
    enum Move: Hashable {
        case wait(Duration)
        /// Not until the configuration changes or the site is opened anew.
        case stop
    }

    private static let first = Duration.seconds(1)
    private static let longest = Duration.seconds(60)
    private static let afterRefusal = Duration.seconds(300)
    /// A server may keep a connection of ours that broke for some seconds and refuse the next one: that is no rival.
    private static let conflictsAllowed = 3
    private var failures = 0
    private var conflicts = 0

    /// The stream has proved itself: it acknowledged something, or was up for a while.
    ///
    /// A server that lets us in and breaks off at once would be asked each second for ever.
    mutating func succeeded() {
        failures = 0
        conflicts = 0
    }

    /// `wasOnline`: It was up: where a rival has taken our address from us, taking it back would be a fight.
    mutating func failed(
        _ kind: ConnectionFailure.Kind,
        wasOnline: Bool,
        using random: inout some RandomNumberGenerator
    ) -> Move {
        failures += 1
        switch kind {
        case .temporary: break
        case .refused: return .wait(Self.afterRefusal)
        case .conflict:
            conflicts += 1
            if wasOnline || conflicts > Self.conflictsAllowed { return .stop }
        }
        let ceiling = min(Self.first * (1 << min(failures - 1, 6)), Self.longest)
        // Jitter over the upper half: a thousand sites of one server come back one after the other.
        return .wait(ceiling * Double.random(in: 0.5...1, using: &random))
    }
}
