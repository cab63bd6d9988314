// SPDX-License-Identifier: Apache-2.0
import PluginABI
import QueueCore

/// Reads a handler's verdict out of C memory.
///
/// Whatever is not one of the five is a retry that says so.
enum OutcomeReader {
    private static let minimumSize = hostd_result.end(of: \.code)

    /// complete(): the status that the plugin gets, and the outcome; nil where there is none to read.
    static func completion(_ result: UnsafePointer<hostd_result>?) -> (status: Int32, outcome: Outcome) {
        guard let result = hostd_result.read(result, atLeast: minimumSize) else {
            return (HOSTD_E_INVAL, misuse("complete() without a result"))
        }
        guard let outcome = outcome(result) else {
            return (
                HOSTD_E_INVAL, misuse("complete() with code \(result.code), or a cursor over \(HOSTD_MAX_CURSOR) bytes")
            )
        }
        return (HOSTD_OK, outcome)
    }

    /// handle(): nil for PENDING.
    static func returned(_ value: UInt32, _ out: UnsafePointer<hostd_result>) -> Outcome? {
        if value == HOSTD_PENDING { return nil }
        let result = out.pointee
        // The common end of a delivery: nothing to copy.
        guard result.code == value, let outcome = outcome(result) else {
            return misuse(
                "handle() returned \(value) with code \(result.code) and \(result.cursor.bytes.count) bytes of cursor"
            )
        }
        return outcome
    }

    private static func misuse(_ text: String) -> Outcome {
        Outcome(.retry, reason: .other, text: text)
    }

    private static func outcome(_ result: hostd_result) -> Outcome? {
        guard result.code >= HOSTD_DONE, result.code <= HOSTD_DISCARD,
            let code = OutcomeCode(rawValue: UInt8(result.code)), result.cursor.bytes.count <= Int(HOSTD_MAX_CURSOR)
        else { return nil }
        var outcome = Outcome(code)
        outcome.reason = ReasonClass(abi: result.reason)
        outcome.keep = code == .discard && result.flags & HOSTD_RF_KEEP != 0
        outcome.maybeDelivered = (code == .retry || code == .defer) && result.flags & HOSTD_RF_MAYBE != 0
        outcome.delayMs = result.delay_ms
        outcome.holdMs = result.hold_ms
        if !result.lane.isEmpty { outcome.holdLane = result.lane.text(limit: 2048) }
        if code == .continue { outcome.cursor = result.cursor.array }
        if !result.text.isEmpty { outcome.text = result.text.text(limit: Int(HOSTD_MAX_TEXT)) }
        return outcome
    }
}
