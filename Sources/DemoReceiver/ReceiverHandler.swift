// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// One connection: reads a request, has it judged, and answers now, later, or not at all.
///
/// Runs on the connection's event loop; the HTTP pipeline holds the next request back until this one is answered.
final class ReceiverHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let ledger: Ledger
    private let faults: Faults
    private let slow: SlowTargets
    /// 0 = any number.
    private let targets: Int
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var answered = 0

    init(ledger: Ledger, faults: Faults, slow: SlowTargets, targets: Int) {
        self.ledger = ledger
        self.faults = faults
        self.slow = slow
        self.targets = targets
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(var part):
            // A notice of 1 MiB, every byte of it percent-encoded, and some: more is nobody's notice.
            guard body.readableBytes + part.readableBytes <= 4 << 20 else { return context.close(promise: nil) }
            body.writeBuffer(&part)
        case .end:
            if let head { serve(head, context) }
            head = nil
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func serve(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if head.uri == "/stat" {
            let text = (try? ledger.statistics()).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
            return answer(context, head, .ok, text, type: "application/json")
        }
        guard let target = TargetPath(head.uri), targets == 0 || (1...targets).contains(target.number) else {
            return answer(context, head, .notFound, "no such target")
        }
        ledger.received()
        let delay = faults.delay > 0 ? Int64(faults.delay) : slow.delay(of: target.number)
        guard delay > 0 else { return judge(head, target, context) }
        context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) {
            if context.channel.isActive { self.judge(head, target, context) }
        }
    }

    private func judge(_ head: HTTPRequestHead, _ target: TargetPath, _ context: ChannelHandlerContext) {
        if faults.hang { return ledger.failed() }
        if let limit = faults.closeAfter, answered >= limit {
            ledger.failed()
            return context.close(promise: nil)
        }
        answered += 1
        if faults.endless {
            ledger.failed()
            return answerEndlessly(context, head)
        }
        guard faults.status == 200 else {
            ledger.failed()
            return answer(context, head, HTTPResponseStatus(statusCode: faults.status), "as told by --status")
        }
        let form = FormBody(Array(body.readableBytesView))
        if let refusal = SignatureCheck(head: head, form: form, target: target).refusal(ledger) {
            ledger.refuse("\(head.uri): \(refusal)")
            return answer(context, head, .unauthorized, refusal)
        }
        do {
            try ledger.take(path: head.uri, notice: form["omb_notice"] ?? form["omb_listenee"] ?? "")
        } catch {
            ledger.failed()
            return answer(context, head, .internalServerError, "\(error)")
        }
        answer(
            context,
            head,
            .ok,
            faults.noVersion ? "<html>parked</html>" : "omb_version=\(TargetPath.protocolVersion)"
        )
    }

    private func answer(
        _ context: ChannelHandlerContext,
        _ request: HTTPRequestHead,
        _ status: HTTPResponseStatus,
        _ text: String,
        type: String = "text/plain"
    ) {
        var headers = HTTPHeaders([("content-type", type), ("content-length", "\(text.utf8.count)")])
        if status != .ok, let seconds = faults.retryAfter { headers.add(name: "retry-after", value: "\(seconds)") }
        let head = HTTPResponseHead(version: request.version, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        let closes = !request.isKeepAlive
        let done = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if closes { done.assumeIsolated().whenComplete { _ in context.close(promise: nil) } }
    }

    private func answerEndlessly(_ context: ChannelHandlerContext, _ request: HTTPRequestHead) {
        let head = HTTPResponseHead(version: request.version, status: .ok, headers: ["content-type": "text/plain"])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        writeOn(context)
    }

    private func writeOn(_ context: ChannelHandlerContext) {
        let part = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1 << 16)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(part)))).assumeIsolated().whenSuccess {
            self.writeOn(context)
        }
    }
}
