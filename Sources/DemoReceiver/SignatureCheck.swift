// SPDX-License-Identifier: Apache-2.0
import NIOHTTP1
import OAuth1

/// Judges a delivery as an OMB 0.1 receiver must: OAuth parameters in the form body, HMAC-SHA1, the target's own token,
/// an empty consumer secret, and a nonce that nobody used before.
struct SignatureCheck {
    private static let required = ["omb_version": TargetPath.protocolVersion, "oauth_signature_method": "HMAC-SHA1"]

    let head: HTTPRequestHead
    let form: FormBody
    let target: TargetPath

    /// Why the delivery isn't taken; nil: it is signed as it should be.
    func refusal(_ ledger: Ledger) -> String? {
        guard head.method == .POST else { return "expected POST, found \(head.method)" }
        for (name, value) in Self.required where form[name] != value {
            return "\(name): expected \(value), found \(form[name] ?? "nothing")"
        }
        guard form["oauth_token"] == Credential.token(of: target.number) else {
            return
                "oauth_token: expected \(Credential.token(of: target.number)), found \(form["oauth_token"] ?? "nothing")"
        }
        guard let key = form["oauth_consumer_key"], !key.isEmpty else {
            return "oauth_consumer_key: expected a site's URL"
        }
        guard let nonce = form["oauth_nonce"], let time = form["oauth_timestamp"], Int64(time) != nil else {
            return "oauth_nonce, oauth_timestamp: expected both"
        }
        let url = "http://\(head.headers.first(name: "host") ?? "")\(head.uri)"
        let isSigned = SignedRequest.isSigned(
            form: form.bytes,
            method: "POST",
            url: url,
            consumerSecret: "",
            tokenSecret: Credential.secret(of: target.number)
        )
        guard isSigned else { return "oauth_signature: does not fit" }
        guard ledger.isFresh(nonce: "\(target.number) \(time) \(nonce)") else { return "oauth_nonce: used before" }
        return nil
    }
}
