// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import QueueStore

extension BrokerCommands {
    func metrics(_ request: ControlRequest) {
        reply(ControlReply(id: request.id, result: .array([])))
    }
}
