// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// Stage 2: one stanza over the site's connection; done when the server has it.
@HostActor
struct XMPPDeliver: Handler {
    /// The lane of a contact waits so long where the connection is at fault, and the queue as long as it is down.
    private static let pause = Duration.seconds(1)

    private let state: XMPPSite

    init(_ state: XMPPSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        let outgoing = try Outgoing(item)
        if let verdict = outgoing.verdict { return verdict }
        switch await state.deliver(outgoing) {
        case .acknowledged: return .done
        case .bounced(let error): return error.outcome
        case .offline(let problem):
            return .defer(for: Self.pause, reason: .network, "not connected: \(problem)")
        case .lost:
            var outcome = Outcome.defer(
                for: Self.pause,
                reason: .network,
                "sent, but the stream broke before the server said that it has it"
            )
            outcome.maybeDelivered = true
            return outcome
        }
    }
}
