// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore

/// A slot with what runs in it; only the supervisor touches it.
struct Slot {
    let id: SlotID
    var machine: SlotStateMachine
    /// What the process in it is to be told; nil until the first plan is made.
    var configuration: RoleConfiguration?
    var process: RunningProcess?
    /// How its last process ended that never was ready; nil once one is.
    var startFailure: String?
    /// Numbers the timers of `spawnDue`: an earlier one is void.
    var turn = 0
    /// The log has it that this slot waits for a process of an earlier time to end.
    var isLockWaitLogged = false

    init(id: SlotID, spawnDelay: Duration) {
        self.id = id
        machine = SlotStateMachine(spawnDelay: spawnDelay)
        machine.isExpendable = id.isHunter
    }

    /// Of a process that serves.
    var readyLink: ChildLink? { machine.isReady ? process?.link : nil }
}

/// A process from its spawn until it is reaped and silent.
struct RunningProcess {
    let serial: ProcessSerial
    let child: ChildProcess
    /// nil for the moment that its opening takes.
    var link: ChildLink?
    var heartbeat = Heartbeat()
    var vitals: ChildVitals?
    /// The configuration that it has.
    var told: RoleConfiguration?
    /// Its own words of why it can't go on.
    var failure: String?
    /// Why we sent SIGKILL, if we did.
    var killReason: String?
    /// Sites that it could not open.
    var siteErrors: [SiteName: String] = [:]
    var cause: EndCause?
    var isHungUp = false
    var wasReady = false
    /// An earlier image of the supervisor started it.
    var isInherited = false
    /// Of the hostd that it runs.
    var version = HostVersion.current

    init(serial: ProcessSerial, child: ChildProcess) {
        self.serial = serial
        self.child = child
    }

    /// For people, and for the dead letters that it may have left: "signal 9 (Killed): silent for 30 s".
    func causeText(_ cause: EndCause) -> String {
        let why = killReason.map { "\($0), so the supervisor ended it" } ?? failure
        return "\(cause)" + (why.map { ": \($0)" } ?? "")
    }
}
