// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import PluginABI

/// One request of a plugin and what came of it, until its callback.
///
/// `@unchecked Sendable` because the client's protocol asks for it: all on the plugin's loop, which is the client's too.
final class HTTPExchange: HTTPClientResponseDelegate, PluginOperation, @unchecked Sendable {
    typealias Response = Void

    /// The answer is larger than the plugin or the host allows.
    private struct BodyTooLarge: Error {}

    let site: hostd_site
    var op: hostd_op = 0
    private unowned let instance: PluginInstance
    private let function: hostd_http_fn
    private let user: UnsafeMutableRawPointer?
    private let maxBody: Int
    /// What is asked now; replaced by a redirect that is followed.
    private var request: HTTPClient.Request
    private var redirects: HTTPRedirects?
    private let deadline: NIODeadline

    /// Set by the service; called once, when the client is done with it.
    var ended: (() -> Void)?
    var task: HTTPClient.Task<Void>?
    /// `execute` is on the stack: an answer must wait.
    var isStarting = false
    /// Something of the request was handed to a connection.
    private var isSent = false
    private var head: HTTPResponseHead?
    private var body: ByteBuffer?

    init(
        instance: PluginInstance,
        site: hostd_site,
        request: HTTPClient.Request,
        redirects: HTTPRedirects?,
        maxBody: Int,
        deadline: NIODeadline,
        function: @escaping hostd_http_fn,
        user: UnsafeMutableRawPointer?
    ) {
        self.request = request
        self.redirects = redirects
        self.deadline = deadline
        self.instance = instance
        self.site = site
        self.maxBody = maxBody
        self.function = function
        self.user = user
    }

    func abandon() { task?.cancel() }

    /// The callback comes later, never from within.
    func start(isGuarded: Bool) {
        instance.http.start(self, request, isGuarded: isGuarded, deadline: deadline)
    }

    // MARK: - The client's calls

    func didSendRequestHead(task: HTTPClient.Task<Void>, _ head: HTTPRequestHead) { isSent = true }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        self.head = head
        if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > maxBody {
            return task.eventLoop.makeFailedFuture(BodyTooLarge())
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ part: ByteBuffer) -> EventLoopFuture<Void> {
        guard part.readableBytes + (body?.readableBytes ?? 0) <= maxBody else {
            return task.eventLoop.makeFailedFuture(BodyTooLarge())
        }
        if body == nil {
            body = part
        } else {
            body?.writeImmutableBuffer(part)
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) { end(Self.status(of: error)) }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws { end(HOSTD_OK) }

    private static func status(of error: any Error) -> Int32 {
        switch error {
        case is AddressGuard.Refusal: HOSTD_E_DENIED
        case is BodyTooLarge: HOSTD_E_LIMIT
        case let error as HTTPClientError where timeouts.contains(error): HOSTD_E_TIMEOUT
        case ChannelError.connectTimeout: HOSTD_E_TIMEOUT
        default: HOSTD_E_IO
        }
    }

    private static let timeouts: [HTTPClientError] = [
        .deadlineExceeded, .readTimeout, .writeTimeout, .connectTimeout, .tlsHandshakeTimeout,
        .getConnectionFromPoolTimeout,
    ]

    // MARK: - The plugin's callback

    private func end(_ status: Int32) {
        guard let ended else { return }
        self.ended = nil
        ended()
        guard !isStarting else {
            // No callback from within send().
            instance.loop.execute { self.answer(status) }
            return
        }
        answer(status)
    }

    private func answer(_ status: Int32) {
        guard instance.operations[op] != nil else { return }
        if status == HOSTD_OK, let head, let next = redirects?.next(after: request, head) {
            follow(next)
            return
        }
        _ = instance.operations.finish(op)
        instance.callBack { self.call(status) }
    }

    private func follow(_ next: HTTPClient.Request) {
        let isGuarded = redirects?.isGuarded(next) ?? true
        guard !isGuarded || AddressGuard.mayTry(host: next.host) else {
            _ = instance.operations.finish(op)
            instance.callBack { self.call(HOSTD_E_DENIED) }
            return
        }
        (request, head, body) = (next, nil, nil)
        start(isGuarded: isGuarded)
    }

    private func call(_ status: Int32) {
        var response = hostd_http_response()
        response.struct_size = UInt32(MemoryLayout<hostd_http_response>.size)
        response.error = status
        response.sent = isSent ? 1 : 0
        guard status == HOSTD_OK, let head else {
            if status == HOSTD_OK { response.error = HOSTD_E_IO }
            function(user, op, &response)
            return
        }
        response.status = UInt32(head.status.code)
        if let value = head.headers.first(name: "retry-after") {
            response.retry_after_ms = RetryAfter.milliseconds(value, nowUnixMs: HostClock.unixMs())
        }
        let headers = instance.http.scratch.place(head.headers)
        response.headers = headers.baseAddress
        response.header_count = headers.count
        guard let body else {
            function(user, op, &response)
            return
        }
        body.withUnsafeReadableBytes { bytes in
            response.body = hostd_str(ptr: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), len: bytes.count)
            function(user, op, &response)
        }
    }
}

/// Memory for the headers of one response at a time, grown to the largest seen.
///
/// On the loop.
final class ResponseMemory {
    private var bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
    private var fields = UnsafeMutableBufferPointer<hostd_kv>.allocate(capacity: 32)

    deinit {
        bytes.deallocate()
        fields.deallocate()
    }

    /// C text of the headers, names in lower case; good until the next call.
    func place(_ headers: HTTPHeaders) -> UnsafeBufferPointer<hostd_kv> {
        var size = 0
        var count = 0
        for (name, value) in headers {
            size += name.utf8.count + value.utf8.count
            count += 1
        }
        if size > bytes.count {
            bytes.deallocate()
            bytes = .allocate(byteCount: size, alignment: 1)
        }
        if count > fields.count {
            fields.deallocate()
            fields = .allocate(capacity: count)
        }
        var offset = 0
        var index = 0
        for (name, value) in headers {
            let key = append(name, at: &offset)
            for position in (offset - key.len)..<offset where (0x41...0x5A).contains(bytes[position]) {
                bytes[position] |= 0x20
            }
            fields.initializeElement(at: index, to: hostd_kv(key: key, value: append(value, at: &offset)))
            index += 1
        }
        return UnsafeBufferPointer(rebasing: fields[..<count])
    }

    private func append(_ text: String, at offset: inout Int) -> hostd_str {
        let count = text.utf8.count
        let target = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
        target.copyBytes(from: text.utf8)
        offset += count
        return hostd_str(ptr: UnsafePointer(target.baseAddress?.assumingMemoryBound(to: CChar.self)), len: count)
    }
}
