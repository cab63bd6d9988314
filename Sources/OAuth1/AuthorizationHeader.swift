// SPDX-License-Identifier: Apache-2.0

extension SignedRequest {
    /// The value of the header `Authorization` (RFC 5849 section 3.5.1), for requests whose body isn't a signed form.
    package func authorizationHeader(realm: String? = nil) -> String {
        var fields = protocolParameters.map { parameter in
            let name = String(decoding: parameter.name, as: UTF8.self)
            return "\(name)=\"\(String(decoding: parameter.value, as: UTF8.self))\""
        }
        // A quoted string (RFC 7230 section 3.2.6): the realm isn't percent-encoded, so its quotes are escaped.
        if let realm {
            let quoted = realm.reduce(into: "") { text, character in
                if character == "\"" || character == "\\" { text.append("\\") }
                text.append(character)
            }
            fields.insert("realm=\"\(quoted)\"", at: 0)
        }
        return "OAuth " + fields.joined(separator: ", ")
    }
}
