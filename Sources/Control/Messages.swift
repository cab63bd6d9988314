// SPDX-License-Identifier: Apache-2.0
package import QueueCore

// The control protocol: JSON documents, one a line, over Unix sockets. queuectl and console talk to the supervisor's
// socket with requests and replies; the supervisor talks to each child over the socket pair that the child finds at
// `ChildChannel.descriptor`. A child that reads EOF there has lost its supervisor: it drains and ends.
//
// To change this: members are only added, and a reader ignores what it doesn't know; both ends of a child's channel
// are the same executable, except during an upgrade of hostd itself.

/// A command with named arguments, answered by one reply with the same id.
package struct ControlRequest: Codable, Hashable, Sendable {
    package var id: Int
    package var command: String
    package var arguments: [String: JSONValue]

    package init(id: Int, command: String, arguments: [String: JSONValue] = [:]) {
        self.id = id
        self.command = command
        self.arguments = arguments
    }
}

/// The answer to a request: a result, or one line that says why not.
package struct ControlReply: Codable, Hashable, Sendable {
    package var id: Int
    package var result: JSONValue?
    package var error: String?

    package init(id: Int, result: JSONValue) {
        self.id = id
        self.result = result
    }

    package init(id: Int, error: String) {
        self.id = id
        self.error = error
    }
}

/// What the supervisor tells a child.
package enum SupervisorMessage: Codable, Hashable, Sendable {
    /// The first message, and again at each change.
    case configure(RoleConfiguration)
    /// In the place of a whole configuration where only sites changed.
    case change(RoleChange)
    /// Finish what is in flight, claim no more, say `drained`, exit 0. Milliseconds until the supervisor loses patience.
    case drain(timeoutMs: Int)
    case request(ControlRequest)
    /// Answered by `pong` from the child's main loop: silence means that it hangs.
    case ping(Int)
    /// To the broker: a worker process ended; `cause` is for people ("signal 11 (Segmentation fault)", "exit status 3").
    case workerExited(pid: Int32, cause: String)
}

/// What a child tells the supervisor.
package enum ChildMessage: Codable, Hashable, Sendable {
    /// The first message: it serves now.
    case ready
    case reply(ControlReply)
    case pong(Int, ChildVitals)
    case drained
    /// The broker passes on what came in on the control topic (`stop`, `restart`, `update`); not answered.
    case command(String, [String: JSONValue])
    /// Broker: these plugins have items that may have killed a worker, so that each needs a hunter. Sent on change.
    case hunters([PluginName])
    /// Worker: a site could not be opened; its items wait. nil error: it is open (again).
    case siteState(SiteName, error: String?)
    /// It cannot go on; one line for people. It exits by itself right after.
    case failed(String)
}

/// A child's own figures.
package struct ChildVitals: Codable, Hashable, Sendable {
    package var residentBytes: Int
    package var inFlight: Int
    /// Worker: how its deliveries ended, by queue; empty = none has ended.
    package var outcomes: [QueueName: OutcomeTally]

    package init(residentBytes: Int, inFlight: Int, outcomes: [QueueName: OutcomeTally] = [:]) {
        self.residentBytes = residentBytes
        self.inFlight = inFlight
        self.outcomes = outcomes
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        residentBytes = try members.decode(Int.self, forKey: .residentBytes)
        inFlight = try members.decode(Int.self, forKey: .inFlight)
        // Other roles have none to tell, an earlier hostd neither.
        outcomes = try members.decodeIfPresent([QueueName: OutcomeTally].self, forKey: .outcomes) ?? [:]
    }
}
