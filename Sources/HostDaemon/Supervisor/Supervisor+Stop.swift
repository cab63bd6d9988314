// SPDX-License-Identifier: Apache-2.0
import Logging

/// The graceful stop.
extension Supervisor {
    func beginStop(why: String) {
        guard stop == nil else {
            logger.warning("stop in a hurry", metadata: ["reason": "\(why)"])
            for id in slots.keys { feed(.hurry, to: id, killReason: "a second request to stop") }
            return stepStop()
        }
        logger.info("stopping", metadata: ["reason": "\(why)"])
        notify.stopping()
        stop = StopSequence()
        rollouts = [:]
        watch = nil
        abandonChanges()
        stepStop()
    }

    /// Each role's turn comes when the one before it has gone.
    func stepStop() {
        while let step = stop?.next(remaining: Set(slots.keys.map(\.role))) {
            switch step {
            case .drain(let role):
                if role == .broker { closeDoors() }
                if role == .console { closeConsoleDoor() }
                for id in slots.keys where id.role == role { feed(.drain, to: id) }
            case .wait: return
            case .finished:
                logger.info("stopped", metadata: ["uptime": "\(Self.seconds(now))"])
                exitStatus = exitStatusAfterStop
                return
            }
        }
    }

    /// At its start the broker said itself why it can't work: a second try would say the same.
    func brokerCannotStart(_ reason: String) {
        logger.error("the broker can't start", metadata: ["reason": "\(reason)"])
        exitStatusAfterStop = ExitStatus.configurationError
        slots[.broker] = nil
        beginStop(why: "no broker")
    }
}
