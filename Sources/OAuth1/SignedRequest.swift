// SPDX-License-Identifier: Apache-2.0

/// Who signs: the consumer (an application or a site) and, once there is one, the token of the user it acts for.
package struct OAuthCredentials: Sendable {
    package var consumerKey: String
    package var consumerSecret: String
    /// nil = none yet, as when a request token is asked for.
    package var token: String?
    package var tokenSecret: String

    package init(consumerKey: String, consumerSecret: String, token: String? = nil, tokenSecret: String = "") {
        self.consumerKey = consumerKey
        self.consumerSecret = consumerSecret
        self.token = token
        self.tokenSecret = tokenSecret
    }
}

/// A signed request of any shape; `FormSigner` is the fast way to one of them.
package struct SignedRequest: Sendable {
    package let baseString: [UInt8]
    /// Base64.
    package let signature: [UInt8]
    /// The `oauth_...` parameters, the signature among them, sorted.
    package let protocolParameters: [Parameter]
    /// Everything that the form body holds where the OAuth parameters go into it, sorted.
    private let formParameters: [Parameter]

    /// - `parameters`: Of the form body; not those of the URL's query.
    /// - `extra`: Further `oauth_...` parameters, as `oauth_callback`.
    /// - `version`: nil leaves `oauth_version` out, as RFC 5849's own examples do.
    package init?(
        method: String,
        url: String,
        parameters: [Parameter] = [],
        credentials: OAuthCredentials,
        nonce: String,
        timestamp: Int64,
        extra: [Parameter] = [],
        version: String? = "1.0"
    ) {
        guard let uri = BaseURI(url) else { return nil }
        var fields =
            extra + [
                Parameter("oauth_consumer_key", credentials.consumerKey), Parameter("oauth_nonce", nonce),
                Parameter("oauth_signature_method", "HMAC-SHA1"), Parameter("oauth_timestamp", "\(timestamp)"),
            ]
        if let token = credentials.token { fields.append(Parameter("oauth_token", token)) }
        if let version { fields.append(Parameter("oauth_version", version)) }
        baseString = BaseString.make(method: method, uri: uri, parameters: fields + parameters)
        signature = Signature.make(
            baseString,
            key: Signature.key(consumerSecret: credentials.consumerSecret, tokenSecret: credentials.tokenSecret)
        )
        fields.append(Parameter("oauth_signature", String(decoding: signature, as: UTF8.self)))
        protocolParameters = fields.sorted()
        formParameters = (fields + parameters + uri.query).sorted()
    }

    /// A form body with everything in it: the OAuth parameters, the request's and the URL's query.
    package var formBody: [UInt8] { Parameter.join(formParameters) }

    /// True where `form`, sent to `url`, carries a signature made with these secrets.
    package static func isSigned(
        form: some Collection<UInt8>,
        method: String,
        url: String,
        consumerSecret: String,
        tokenSecret: String
    ) -> Bool {
        guard let uri = BaseURI(url) else { return false }
        let parameters = Parameter.parse(form: form)
        let name = Array("oauth_signature".utf8)
        guard let signature = parameters.first(where: { $0.name == name }) else { return false }
        let base = BaseString.make(method: method, uri: uri, parameters: parameters.filter { $0.name != name })
        let expected = Signature.make(
            base,
            key: Signature.key(consumerSecret: consumerSecret, tokenSecret: tokenSecret)
        )
        return Signature.isEqual(PercentEncoding.decodeForm(signature.value), expected)
    }
}
