// SPDX-License-Identifier: Apache-2.0
import TestSupport

extension StompTestClient {
    static let plainQueue = "/queue/plain"

    /// Sends items, each when the one before is on disk.
    func sendPlain(_ bodies: String...) async throws {
        for body in bodies {
            try await send("SEND", ["destination": Self.plainQueue, "receipt": "sent \(body)"], body: body)
            try await receipt("sent \(body)")
        }
    }

    /// Subscribes as `s`; `headers` are whole lines.
    func subscribePlain(ack: String, _ headers: String = "") async throws {
        try await send("SUBSCRIBE\nid:s\ndestination:\(Self.plainQueue)\nack:\(ack)\n\(headers)\n\0")
    }

    /// The next MESSAGE, or an ERROR; receipts in between are passed over.
    func message() async throws -> Frame {
        while true {
            let frame = try await frame()
            if frame.command != "RECEIPT" { return frame }
        }
    }

    /// ACK or NACK, in the version's way, up to its receipt.
    func settle(_ command: String, _ frame: Frame, version: String? = "1.2", more: String = "") async throws {
        let receipt = "settled \(frame["message-id"] ?? "")"
        let name: String
        switch version {
        case "1.2": name = "id:\(frame["ack"] ?? "")"
        case "1.1": name = "subscription:s\nmessage-id:\(frame["message-id"] ?? "")"
        default: name = "message-id:\(frame["message-id"] ?? "")"
        }
        try await send("\(command)\n\(name)\n\(more)receipt:\(receipt)\n\n\0")
        try await self.receipt(receipt)
    }
}
