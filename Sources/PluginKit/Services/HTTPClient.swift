// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// A request for the host's HTTP client.
public struct HTTPRequest: Sendable {
    /// The method, as `POST`.
    public var method: String
    /// The whole URL, http or https.
    public var url: String
    /// Names and values; no line breaks in them.
    public var headers: [(name: String, value: String)]
    /// The body; empty = none.
    public var body: [UInt8]
    /// How long the whole exchange may take; nil = the host's default.
    public var timeout: Duration?
    /// More bytes than this aren't read: the call fails; nil = the host's default.
    public var maxBody: Int?
    /// Follows redirects, each checked anew; otherwise a 3xx is the answer.
    public var followsRedirects = false
    /// The URL's host comes from the operator's configuration, so private addresses are allowed.
    public var isTrusted = false

    /// A request.
    public init(
        _ method: String = "GET",
        _ url: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8] = [],
        timeout: Duration? = nil,
        maxBody: Int? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.maxBody = maxBody
    }
}

/// An answer.
public struct HTTPResponse: Sendable {
    /// The status code.
    public let status: Int
    /// The answer's headers.
    public let headers: HTTPHeaders
    /// The answer's body.
    public let body: [UInt8]
    /// From Retry-After, which may hold seconds or a date; nil = none.
    public let retryAfter: Duration?
}

/// The headers of an answer, looked up only when asked for.
public struct HTTPHeaders: Sendable {
    /// `name NUL value NUL`, names in lower case as the host has them.
    private var storage: [UInt8] = []

    init(_ headers: UnsafeBufferPointer<hostd_kv>) {
        storage.reserveCapacity(headers.reduce(0) { $0 + $1.key.len + $1.value.len + 2 })
        for header in headers {
            storage.append(contentsOf: header.key.bytes)
            storage.append(0)
            storage.append(contentsOf: header.value.bytes)
            storage.append(0)
        }
    }

    /// The first value of a header; `name` in lower case.
    public subscript(name: String) -> String? {
        let fields = storage.split(separator: 0, omittingEmptySubsequences: false)
        for index in stride(from: 0, to: fields.count - 1, by: 2) where fields[index].elementsEqual(name.utf8) {
            return String(decoding: fields[index + 1], as: UTF8.self)
        }
        return nil
    }
}

/// A request without an answer.
public struct HTTPError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong.
    ///
    /// More may be added.
    public enum Kind: Sendable {
        /// No answer in time.
        case timeout
        /// Network, name service or TLS.
        case network
        /// The answer was longer than allowed.
        case tooLong
        /// The operator's policy forbids this address.
        case denied
        /// The handler's task was cancelled while it waited.
        case cancelled
        /// The host didn't begin: too many requests under way, a bad URL, or it shuts down.
        case notStarted
    }

    /// What went wrong.
    public let kind: Kind
    /// Whether the remote side may have got the request.
    ///
    /// False: it surely hasn't, and a repeat is safe.
    public let maybeSent: Bool

    /// One sentence.
    public var description: String {
        let cause =
            switch kind {
            case .timeout: "no answer in time"
            case .network: "the connection failed"
            case .tooLong: "the answer is too long"
            case .denied: "the address is private or forbidden by the operator (http.allow_private)"
            case .cancelled: "cancelled"
            case .notStarted: "the host didn't begin the request"
            }
        return maybeSent ? "\(cause); the request may have arrived" : cause
    }
}

/// The host's HTTP client: pooled connections, keep-alive, TLS, limits, and the guard against private addresses.
@HostActor
public struct HTTPClient {
    let site: Site

    /// Sends a request and waits for the answer.
    public func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let host = site.host
        guard let send = host.http?.pointee.send else { throw HTTPError(kind: .notStarted, maybeSent: false) }
        let answer: Result<HTTPResponse, HTTPError> = await HostCall.run(
            host,
            refused: { _ in .failure(HTTPError(kind: .notStarted, maybeSent: false)) },
            cancelled: .failure(HTTPError(kind: .cancelled, maybeSent: true))
        ) { user in
            request.withCRequest(site.handle) { pointer in
                send(
                    host.table,
                    pointer,
                    { user, _, response in
                        HostCall<Result<HTTPResponse, HTTPError>>.end(user) { HTTPClient.answer(response) }
                    },
                    user
                )
            }
        }
        return try answer.get()
    }

    private nonisolated static func answer(
        _ response: UnsafePointer<hostd_http_response>?
    ) -> Result<HTTPResponse, HTTPError> {
        guard let response = response?.pointee else { return .failure(HTTPError(kind: .network, maybeSent: true)) }
        guard response.error == HOSTD_OK else {
            let kind: HTTPError.Kind =
                switch response.error {
                case HOSTD_E_TIMEOUT: .timeout
                case HOSTD_E_LIMIT: .tooLong
                case HOSTD_E_DENIED: .denied
                default: .network
                }
            return .failure(HTTPError(kind: kind, maybeSent: response.sent != 0))
        }
        return .success(
            HTTPResponse(
                status: Int(response.status),
                headers: HTTPHeaders(UnsafeBufferPointer(start: response.headers, count: response.header_count)),
                body: [UInt8](response.body.bytes),
                retryAfter: response.retry_after_ms > 0 ? .milliseconds(response.retry_after_ms) : nil
            )
        )
    }
}

extension Site {
    /// The host's HTTP client (`hostd.http/1`).
    public var http: HTTPClient { HTTPClient(site: self) }
}

extension HTTPRequest {
    /// Lends the request to the host for one call.
    fileprivate func withCRequest<Result>(
        _ site: hostd_site,
        _ body: (UnsafePointer<hostd_http_request>) -> Result
    ) -> Result {
        var arena = Arena()
        arena.reserve(url.utf8.count + 128)
        let method = arena.add(self.method)
        let url = arena.add(self.url)
        let headers = self.headers.map { (name: arena.add($0.name), value: arena.add($0.value)) }
        return arena.bytes.withUnsafeBytes { bytes in
            self.body.withSlice { content in
                let pairs = headers.map { hostd_kv(key: bytes.slice($0.name), value: bytes.slice($0.value)) }
                return pairs.withUnsafeBufferPointer { pairs in
                    var request = hostd_http_request()
                    request.struct_size = structSize(hostd_http_request.self)
                    request.flags = (followsRedirects ? HOSTD_HTTP_FOLLOW : 0) | (isTrusted ? HOSTD_HTTP_TRUSTED : 0)
                    request.site = site
                    request.method = bytes.slice(method)
                    request.url = bytes.slice(url)
                    request.body = content
                    request.headers = pairs.baseAddress
                    request.header_count = pairs.count
                    request.timeout_ms = timeout?.wholeMilliseconds ?? 0
                    request.max_body = UInt32(clamping: maxBody ?? 0)
                    return body(&request)
                }
            }
        }
    }
}
