// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import Stomp

extension BrokerCore {
    /// A word on a control topic: `shutdown`, `restart`, `update:NICKNAME`.
    ///
    /// Other words are logged and ignored.
    func control(_ frame: StompFrame, topic: String) {
        guard configuration.controlChannels.contains(topic) else { return }
        let text = String(buffer: frame.body).trimmingASCIISpace
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        switch (parts.first, parts.count) {
        case ("shutdown", _): sendCommand("stop", [:])
        case ("restart", _): sendCommand("restart", [:])
        case ("update", 2): sendCommand("update", ["site": .string(parts[1].trimmingASCIISpace)])
        default:
            log.warning("an unknown word on the control topic; ignored", metadata: ["word": "\(text.prefix(64))"])
        }
    }
}

extension String {
    fileprivate var trimmingASCIISpace: String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\n" || $0 == "\r" || $0 == "\t" }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
