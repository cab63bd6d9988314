// SPDX-License-Identifier: Apache-2.0
import WorkerLink

/// Items that came in together, from `next` on not handed to their handlers yet.
struct WaitingBatch {
    let arena: BatchArena
    let items: [DeliveredItem]
    var next = 0
    /// The broker wants these back before their handlers are entered.
    var cancelled: Set<UInt64> = []
}
