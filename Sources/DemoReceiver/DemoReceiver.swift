// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// A loopback receiver of OpenMicroBlogging notices, for `make run` and tests.
///
/// Many targets behind one port, each with its own token, that check every signature, count, and misbehave on demand.
/// Never installed.
@main
struct DemoReceiver: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo-receiver",
        abstract: "Receives OMB notices on loopback and checks their signatures.",
        discussion: """
            Target N is /omb/N/postnotice (and /omb/N/updateprofile), with token tN and secret sN. \
            GET /stat answers with the counts as JSON. Prints "listening on PORT" when it is ready.

            Example: demo-receiver --targets 1000 --slow 20:3000 --dead 1 --recipients recipients.jsonl
            """
    )

    @Option(help: "Port to listen on; 0 takes a free one.")
    var port = 0

    @Option(help: "How many targets there are, numbered from 1; 0 accepts every number.")
    var targets = 0

    @Option(help: "K:MS: the first K targets are slow, the slowest of them takes MS milliseconds.")
    var slow = SlowTargets.none

    @Option(help: "How many of the targets, the last ones, are on a port that refuses connections.")
    var dead = 0

    @Option(help: "Writes the targets as recipients, JSON lines for `queuectl recipients import`, to this file.")
    var recipients: String?

    @Option(help: "The author in those recipients.")
    var author = "http://demo.example/user/1"

    @Option(help: "Appends \"PATH NOTICE MILLISECONDS\" to this file for each notice taken, before it is answered.")
    var log: String?

    @OptionGroup(title: "Faults")
    var faults: Faults

    func validate() throws {
        guard targets >= 0, dead >= 0, dead <= targets else {
            throw ValidationError("--dead: expected a number up to --targets \(targets), found \(dead)")
        }
        guard recipients == nil || targets > 0 else { throw ValidationError("--recipients needs --targets") }
    }

    func run() async throws {
        let ledger = try Ledger(logPath: log)
        let faults = faults
        let slow = slow
        let limit = targets
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(
                        ReceiverHandler(ledger: ledger, faults: faults, slow: slow, targets: limit)
                    )
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        let bound = server.localAddress?.port ?? port
        // Kept open, bound and not listening, until the process ends: nobody else gets the port meanwhile.
        let closedPort = dead > 0 ? try ClosedPort() : nil
        if let recipients {
            let list = RecipientList(
                port: bound,
                closedPort: closedPort?.number ?? 0,
                targets: targets,
                dead: dead,
                author: author
            )
            try list.write(to: recipients)
        }
        print("listening on \(bound)")
        fflush(nil)
        try await server.closeFuture.get()
    }
}
