// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import FoundationEssentials
import HostConfig
import QueueCore

/// A checked name on the command line; a wrong one is a usage error that shows the rule.
struct NameArgument<Name: CheckedName>: ExpressibleByArgument {
    let name: Name

    init?(argument: String) {
        guard let name = Name(argument) else { return nil }
        self.name = name
    }

    var value: JSONValue { .string(name.rawValue) }
}

typealias SiteArgument = NameArgument<SiteName>
typealias QueueArgument = NameArgument<QueueName>
typealias PluginArgument = NameArgument<PluginName>

/// A site by its nickname or its server's name, as StatusNet's queuectl took it.
struct SiteOrServerArgument: ExpressibleByArgument {
    let text: String

    init?(argument: String) {
        guard (1...255).contains(argument.utf8.count), !argument.hasPrefix("-"),
            argument.utf8.allSatisfy({ (33...126).contains($0) && $0 != UInt8(ascii: "/") })
        else { return nil }
        text = argument
    }

    var value: JSONValue { .string(text) }
}

/// A time span, as configuration files write it.
struct SpanArgument: ExpressibleByArgument {
    let milliseconds: Int64

    init?(argument: String) {
        guard let duration = DurationText.parse(argument) else { return nil }
        milliseconds = duration.wholeMilliseconds
    }
}

/// A moment: so long from now (`12h`), or RFC 3339.
struct MomentArgument: ExpressibleByArgument {
    /// Unix milliseconds.
    let milliseconds: Int64

    init?(argument: String) {
        self.init(argument, now: .now)
    }

    init?(_ text: String, now: Date) {
        let date: Date
        if let span = DurationText.parse(text) {
            date = now.addingTimeInterval(Double(span.wholeMilliseconds) / 1000)
        } else if let told = Figures.date(text) {
            date = told
        } else {
            return nil
        }
        // JavaScript's and JMS's range of time; beyond it is a slip of the keyboard.
        let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
        guard milliseconds.magnitude <= 8.64e15 else { return nil }
        self.milliseconds = Int64(milliseconds)
    }
}

struct ReasonArgument: ExpressibleByArgument {
    let reason: DeadReason

    init?(argument: String) {
        guard let reason = DeadReason(rawValue: argument) else { return nil }
        self.reason = reason
    }

    static var allValueStrings: [String] { DeadReason.allCases.map(\.rawValue) }
}
