// SPDX-License-Identifier: Apache-2.0

/// A request's own parameters, made ready once for however many targets get them.
package struct PreparedForm: Hashable, Sendable {
    /// `name=value&name=value`, sorted.
    package let form: [UInt8]
    /// The same percent-encoded, as it stands in a base string.
    package let base: [UInt8]

    package init(_ parameters: [Parameter]) {
        form = Parameter.join(parameters.sorted())
        var base: [UInt8] = []
        base.reserveCapacity(form.count * 3 / 2)
        PercentEncoding.append(form, to: &base)
        self.base = base
    }
}

/// Signs form bodies that many targets get, each with its own token: one pass over prepared bytes per delivery.
package struct FormSigner: Sendable {
    /// Percent-encoded, as a signature's key begins.
    private let encodedConsumerSecret: [UInt8]
    /// The consumer key, encoded once for the body and twice for the base string.
    private let keyInForm: [UInt8]
    private let keyInBase: [UInt8]

    package init(consumerKey: String, consumerSecret: String) {
        encodedConsumerSecret = PercentEncoding.encode(consumerSecret)
        keyInForm = PercentEncoding.encode(consumerKey)
        var twice: [UInt8] = []
        PercentEncoding.appendTwice(consumerKey.utf8, to: &twice)
        keyInBase = twice
    }

    /// The body to POST to `uri.withoutQuery`: sorted, the OAuth parameters and the URL's query included.
    ///
    /// - `form`: `PreparedForm.form`; all its names sort after `oauth_version`.
    /// - `base`: `PreparedForm.base`
    /// - `nonce`: Of unreserved characters.
    package func sign(
        _ uri: BaseURI,
        form: UnsafeRawBufferPointer,
        base: UnsafeRawBufferPointer,
        token: String,
        tokenSecret: String,
        nonce: [UInt8],
        timestamp: Int64
    ) -> [UInt8] {
        let time = String(timestamp)
        guard uri.query.isEmpty else { return merged(uri, form, tokenSecret, token: token, nonce: nonce, time: time) }
        var text = KeyedText(
            encodedConsumerSecret: encodedConsumerSecret,
            tokenSecret: tokenSecret,
            capacity: base.count + keyInBase.count + uri.text.count * 3 / 2 + 320
        )
        text.bytes.append(staticText: "POST&")
        PercentEncoding.append(uri.text, to: &text.bytes)
        text.bytes.append(staticText: "&oauth_consumer_key%3D")
        text.bytes.append(contentsOf: keyInBase)
        text.bytes.append(staticText: "%26oauth_nonce%3D")
        text.bytes.append(contentsOf: nonce)
        text.bytes.append(staticText: "%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D")
        text.bytes.append(contentsOf: time.utf8)
        text.bytes.append(staticText: "%26oauth_token%3D")
        PercentEncoding.appendTwice(token.utf8, to: &text.bytes)
        text.bytes.append(staticText: "%26oauth_version%3D1.0%26")
        text.bytes.append(contentsOf: base)

        var body: [UInt8] = []
        body.reserveCapacity(form.count + keyInForm.count + 288)
        body.append(staticText: "oauth_consumer_key=")
        body.append(contentsOf: keyInForm)
        body.append(staticText: "&oauth_nonce=")
        body.append(contentsOf: nonce)
        body.append(staticText: "&oauth_signature=")
        text.withCode { code in
            Signature.forEachDigit(of: code) { PercentEncoding.append($0, to: &body) }
        }
        body.append(staticText: "&oauth_signature_method=HMAC-SHA1&oauth_timestamp=")
        body.append(contentsOf: time.utf8)
        body.append(staticText: "&oauth_token=")
        PercentEncoding.append(token.utf8, to: &body)
        body.append(staticText: "&oauth_version=1.0&")
        body.append(contentsOf: form)
        return body
    }

    /// The rare URL with a query, whose parameters may sort anywhere among the others.
    private func merged(
        _ uri: BaseURI,
        _ form: UnsafeRawBufferPointer,
        _ tokenSecret: String,
        token: String,
        nonce: [UInt8],
        time: String
    ) -> [UInt8] {
        var parameters = Parameter.parse(form: form)
        parameters.append(Parameter(encodedName: Array("oauth_consumer_key".utf8), encodedValue: keyInForm))
        parameters.append(Parameter("oauth_nonce", String(decoding: nonce, as: UTF8.self)))
        parameters.append(Parameter("oauth_signature_method", "HMAC-SHA1"))
        parameters.append(Parameter("oauth_timestamp", time))
        parameters.append(Parameter("oauth_token", token))
        parameters.append(Parameter("oauth_version", "1.0"))
        let base = BaseString.make(method: "POST", uri: uri, parameters: parameters)
        var text = KeyedText(
            encodedConsumerSecret: encodedConsumerSecret,
            tokenSecret: tokenSecret,
            capacity: base.count
        )
        text.bytes.append(contentsOf: base)
        let signature = text.withCode { Signature.base64($0) }
        parameters.append(Parameter("oauth_signature", String(decoding: signature, as: UTF8.self)))
        return Parameter.join((parameters + uri.query).sorted())
    }
}
