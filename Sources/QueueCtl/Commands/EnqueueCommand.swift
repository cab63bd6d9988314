// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import QueueCore

struct EnqueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enqueue",
        abstract: "Put a frame, or many, on a queue; prints how many were accepted.",
        discussion: """
            Accepted means: on the broker's disk. The queue `notice` distributes to all plugins of the site.
            Example:
              queuectl enqueue -s alice notice hello.json
              generate-notices | queuectl enqueue -s alice --jsonl notice -
              queuectl enqueue -s alice --delay 10m --dedupe evening-42 notice hello.json
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var site: RequiredSiteOption
    @Argument(help: "The queue's name.") var queue: QueueArgument
    @Argument(help: "The frame's file; - is standard input.", completion: .file()) var file: String
    @Flag(help: "Each line is a frame; empty lines are left out.") var jsonl = false
    @Option(help: "0 (last) to 9 (first); the queue's or 4 where it isn't given.") var priority: Int?
    @Option(help: ArgumentHelp("Not before so long from now: 30s, 10m.", valueName: "time")) var delay: SpanArgument?
    @Option(help: ArgumentHelp("Of two items with the same key one is kept.", valueName: "key")) var dedupe: String?
    @Option(help: "The one remote receiver (queues of stage 2).") var target: String?
    @Option(help: ArgumentHelp("Given up after this: 12h from now, or RFC 3339.", valueName: "time"))
    var expires: MomentArgument?

    func validate() throws {
        if let priority, !(0...9).contains(priority) { throw ValidationError("--priority is 0 to 9, not \(priority)") }
        if jsonl, dedupe != nil {
            throw ValidationError("--dedupe with --jsonl would make all lines one item: enqueue them one by one")
        }
        if let delay, delay.milliseconds > Int64(UInt32.max) { throw ValidationError("--delay is at most 49d") }
    }

    func run() async throws {
        let installation = try Installation.load(global)
        // Before the broker is asked: a missing file is the likelier mistake.
        var input = try InputFile(file)
        let producer = try await Producer.connect(to: installation, headers: headers)
        let accepted = try await jsonl ? producer.enqueueLines(of: &input) : producer.enqueueWhole(&input)
        try Output.line("\(accepted)")
    }

    var headers: [(name: String, value: String)] {
        var headers = [
            (name: "site", value: site.site.name.rawValue), (name: "queue", value: queue.name.rawValue),
            (name: "persistent", value: "true"),
        ]
        func add(_ name: String, _ value: String?) {
            if let value { headers.append((name, value)) }
        }
        add("priority", priority.map(String.init))
        add("delay", delay.map { String($0.milliseconds) })
        add("dedupe", dedupe)
        add("target", target)
        add("expires", expires.map { String($0.milliseconds) })
        return headers
    }
}
