// SPDX-License-Identifier: Apache-2.0
import Control
import QueueStore

/// What of queues and targets needs a person, as `queuectl status` says it: one sentence each, the worst first, each with
/// what to do.
///
/// Pure.
struct BrokerNeeds {
    struct Lane {
        var target: String
        var site: String
        var reason: String
    }

    /// Why producers wait for room; a sentence.
    var shortage: String?
    var isStoreFull = false
    /// Why dead letters have no files yet.
    var deadFilesFailure: DeadFolderError?
    var pauses: [Pause: Bool] = [:]
    var dead: Int64 = 0
    /// Of them, in the last hour.
    var diedLately: Int64 = 0
    /// An empty site is all of them.
    var blocks: [(pattern: String, site: String)] = []
    var heldQueues: [(queue: String, site: String, reason: String)] = []
    var heldLanes: Int64 = 0
    var firstHeld: Lane?
    var openLanes: Int64 = 0

    /// Of one kind more than these aren't told one by one.
    static let most = 10
    /// A few targets are always down somewhere in the world: so many at once are something else.
    static let manyLanes: Int64 = 100

    var sentences: [String] {
        var all: [String] = []
        if let shortage { all.append(shortage) }
        if isStoreFull {
            all.append(
                "The disk is full: outcomes can't be written, and nothing is handed out until they are: make room "
                    + "(what else keeps the disk full?)."
            )
        }
        if let deadFilesFailure {
            all.append(
                "Dead letters wait for their files in queue.dead_letter_dir (\(deadFilesFailure)); they are safe in the "
                    + "store."
            )
        }
        if openLanes >= Self.manyLanes {
            all.append("\(Figures.count(openLanes)) targets fail at once: look at this machine's network first.")
        }
        all += Self.few(
            heldQueues.sorted { ($0.queue, $0.site) < ($1.queue, $1.site) }.map { held in
                let why = held.reason.isEmpty ? "" : ": \(held.reason)"
                return "Queue \(held.queue) of site \(held.site) is held by its plugin\(why)."
            },
            more: "queues are held: queuectl status --json"
        )
        if let firstHeld {
            let why = firstHeld.reason.isEmpty ? "" : ": \(firstHeld.reason)"
            let others = heldLanes > 1 ? " (and \(Figures.count(heldLanes - 1)) more)" : ""
            all.append("Target \(firstHeld.target) of site \(firstHeld.site) is held\(others)\(why).")
        }
        if dead > 0 {
            let letters = "\(Figures.count(dead)) dead letter\(dead == 1 ? "" : "s")"
            let lately = diedLately > 0 ? ", \(Figures.count(min(dead, diedLately))) of them in the last hour" : ""
            all.append("\(letters)\(lately): queuectl dead list.")
        }
        let paused = pauses.filter(\.value).keys.sorted { ($0.queue, $0.site) < ($1.queue, $1.site) }
        all += Self.few(
            paused.map { pause in
                pause.site.isEmpty
                    ? "Queue \(pause.queue) is paused: queuectl resume \(pause.queue)."
                    : "Queue \(pause.queue) of site \(pause.site) is paused: "
                        + "queuectl resume \(pause.queue) -s \(pause.site)."
            },
            more: "queues are paused: queuectl status"
        )
        all += Self.few(
            blocks.map { block in
                let (place, option) = block.site.isEmpty ? ("", "") : (" for site \(block.site)", " -s \(block.site)")
                return "Deliveries to \(block.pattern) are blocked\(place): "
                    + "queuectl target '\(block.pattern)' unblock\(option)."
            },
            more: "targets are blocked: queuectl target blocks"
        )
        return all
    }

    private static func few(_ sentences: [String], more: String) -> [String] {
        guard sentences.count > most else { return sentences }
        return sentences.prefix(most) + ["\(Figures.count(Int64(sentences.count - most))) more \(more)."]
    }
}
