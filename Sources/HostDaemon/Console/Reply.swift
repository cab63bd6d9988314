// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// Responses, each with the header fields that keep a browser from doing more with it than to show it.
enum Reply {
    /// `html` gets the nonce that lets its style through the policy.
    static func page(_ status: HTTPResponse.Status, _ html: (String) -> HTML) -> Response {
        let nonce = RandomText.hex(bytes: 16)
        return make(status, html(nonce).text, type: "text/html; charset=utf-8", styleNonce: nonce)
    }

    static func text(_ status: HTTPResponse.Status, _ text: String) -> Response {
        make(status, text, type: "text/plain; charset=utf-8")
    }

    static func json(_ status: HTTPResponse.Status, _ value: JSONValue) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            // A number that JSON has no word for (infinity).
            return text(.internalServerError, "The status can't be written as JSON.\n")
        }
        return make(status, String(decoding: data, as: UTF8.self) + "\n", type: "application/json")
    }

    static func make(
        _ status: HTTPResponse.Status,
        _ body: String,
        type: String,
        styleNonce: String? = nil
    ) -> Response {
        // Nothing is loaded from anywhere, nothing runs, nobody frames it.
        let style = styleNonce.map { "style-src 'nonce-\($0)'; img-src data:; form-action 'self'; " } ?? ""
        var headers: HTTPFields = [
            .contentType: type,
            .contentSecurityPolicy: "default-src 'none'; \(style)base-uri 'none'; frame-ancestors 'none'",
            .xContentTypeOptions: "nosniff",
            .cacheControl: "no-store",
            .crossOriginResourcePolicy: "same-origin",
        ]
        if let referrerPolicy = HTTPField.Name("Referrer-Policy") { headers[referrerPolicy] = "no-referrer" }
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: body)))
    }
}

/// Secrets of this process: session and nonces.
enum RandomText {
    static func hex(bytes count: Int) -> String {
        // The system's generator is getrandom(2): fit for secrets.
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in
            let byte = UInt8.random(in: .min ... .max, using: &generator)
            return String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }
}
