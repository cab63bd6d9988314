// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import NIOCore

/// Who is connected to the console.
///
/// Entered on a connection's event loop, asked to leave from anywhere.
final class Guests: Sendable {
    private let channels = NIOLockedValueBox([ObjectIdentifier: any Channel]())

    var isAny: Bool { channels.withLockedValue { !$0.isEmpty } }

    func enter(_ channel: any Channel) {
        let key = ObjectIdentifier(channel)
        channels.withLockedValue { $0[key] = channel }
        channel.closeFuture.whenComplete { [channels] _ in channels.withLockedValue { $0[key] = nil } }
    }

    /// Each after the answer that it waits for, if any.
    func askToLeave() {
        for channel in channels.withLockedValue({ Array($0.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }
}
