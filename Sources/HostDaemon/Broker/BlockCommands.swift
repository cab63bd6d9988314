// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import QueueCore
import QueueStore

// Targets that an operator blocks and unblocks.
extension BrokerCommands {
    /// The site that a command names, by nickname or server: nil where it names none; a wrong one is answered here.
    func siteArgument(_ request: ControlRequest) -> String?? {
        guard let text = request.arguments["site"]?.string else { return .some(nil) }
        if let site = core.directory.site(text) { return .some(site.nickname.rawValue) }
        // Of a removed site items may wait still.
        if core.dispatcher.ids[text] != nil { return .some(text) }
        reply(ControlReply(id: request.id, error: "no site \"\(text)\" is configured: see queuectl sites"))
        return nil
    }

    private func patternArgument(_ request: ControlRequest) -> TargetPattern? {
        let text = request.arguments["target"]?.string ?? ""
        if let pattern = TargetPattern(text) { return pattern }
        reply(
            ControlReply(
                id: request.id,
                error: "\"\(text)\" is no pattern of targets: give a target as it is written, a host, or *.DOMAIN"
            )
        )
        return nil
    }

    func targetBlocks(_ request: ControlRequest) {
        reply(ControlReply(id: request.id, result: .object(["blocks": describeBlocks()])))
    }

    func describeBlocks() -> JSONValue {
        .array(
            core.dispatcher.blocks.map { block in
                .object([
                    "pattern": .string(block.pattern.text), "site": block.site.isEmpty ? .null : .string(block.site),
                    "since": .string(Self.time(block.sinceMs)),
                ])
            }
        )
    }

    func targetBlock(_ request: ControlRequest) {
        guard let pattern = patternArgument(request), let site = siteArgument(request) else { return }
        let block = TargetBlock(pattern: pattern, site: site ?? "", sinceMs: core.clock.wallMs)
        var blocks = core.dispatcher.blocks
        if !blocks.contains(where: { $0.pattern == pattern && $0.site == block.site }) { blocks.append(block) }
        let isDropping = request.arguments["drop"]?.bool == true
        change(request, to: blocks) { commands in
            guard isDropping else {
                commands.reply(ControlReply(id: request.id, result: .object(["blocked": .string(pattern.text)])))
                return
            }
            commands.dropWaiting(request, block)
        }
    }

    func targetUnblock(_ request: ControlRequest) {
        guard let pattern = patternArgument(request), let site = siteArgument(request) else { return }
        let blocks = core.dispatcher.blocks
        let rest = blocks.filter { $0.pattern != pattern || (site != nil && $0.site != site) }
        guard rest.count < blocks.count else {
            let isBlockedEverywhere = blocks.contains { $0.pattern == pattern && $0.site.isEmpty }
            reply(
                ControlReply(
                    id: request.id,
                    error: isBlockedEverywhere
                        ? "\(pattern) is blocked on all sites, not on one: unblock it without -s"
                        : "\(pattern) isn't blocked: queuectl target blocks lists what is"
                )
            )
            return
        }
        change(request, to: rest) { commands in
            commands.reply(ControlReply(id: request.id, result: .object(["unblocked": .string(pattern.text)])))
        }
    }

    /// In force at once, and answered once it would outlive a crash.
    private func change(
        _ request: ControlRequest,
        to blocks: [TargetBlock],
        then done: @escaping (BrokerCommands) -> Void
    ) {
        let dispatcher = core.dispatcher
        let before = dispatcher.blocks
        dispatcher.set(blocks)
        // The rows of lanes in memory first, then those of the others.
        dispatcher.flushWrites()
        let now = core.clock.steadyMs
        let me = NIOLoopBound((self, done), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            for block in before where !blocks.contains(block) { try transaction.remove(block) }
            for block in blocks where !before.contains(block) { try transaction.add(block) }
            try transaction.apply(TargetBlocks(blocks), nowMs: now)
        } completion: { result in
            let (commands, done) = me.value
            switch result {
            case .success:
                commands.core.dispatcher.expectDue(now)
                done(commands)
            case .failure(let error):
                // It isn't durable, so it isn't in force: whoever asked asks again.
                commands.core.dispatcher.set(before)
                commands.reply(ControlReply(id: request.id, error: "\(error)"))
            }
        }
    }

    // MARK: Drop

    /// Gives up what waits now for what was blocked.
    private func dropWaiting(_ request: ControlRequest, _ block: TargetBlock) {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.dispatcher.whenWritten { [core] in
            core.store.read { (reader) throws(QueueStoreError) in
                try reader.idRange()
            } completion: { result in
                switch result {
                case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
                case .success(let range):
                    me.value.drop(request, block, after: (range?.lowerBound ?? 1) - 1, upTo: range?.upperBound ?? 0, 0)
                }
            }
        }
    }

    /// Span after span of ids, so that nobody is held up.
    private func drop(_ request: ControlRequest, _ block: TargetBlock, after: Int64, upTo last: Int64, _ done: Int) {
        var one = TargetBlocks()
        one.add(block.pattern, site: block.site)
        let (blocks, names) = (one, core.dispatcher.names)
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.waiting(after: after, upTo: last, span: StoreReader.historySpan) { target, site in
                blocks.matches(target: target, site: names[site] ?? "")
            }
        } completion: { result in
            switch result {
            case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
            case .success(let (items, next)):
                me.value.discard(items) { dropped in
                    switch dropped {
                    case .failure(let error): me.value.reply(ControlReply(id: request.id, error: "\(error)"))
                    case .success(let count):
                        if let next {
                            me.value.drop(request, block, after: next, upTo: last, done + count)
                            return
                        }
                        let members = [
                            "blocked": .string(block.pattern.text), "dropped": JSONValue(done + count),
                        ]
                        me.value.reply(ControlReply(id: request.id, result: .object(members)))
                    }
                }
            }
        }
    }

    private func discard(_ items: [DroppedItem], then done: @escaping (Result<Int, QueueStoreError>) -> Void) {
        guard !items.isEmpty else { return done(.success(0)) }
        let wall = core.clock.wallMs
        let me = NIOLoopBound((self, done), eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.discard(items, text: "its target was blocked by an operator", nowMs: wall)
        } completion: { result in
            let (commands, done) = me.value
            if case .success(let dropped) = result { commands.core.dispatcher.skip(dropped) }
            done(result.map(\.count))
        }
    }
}
