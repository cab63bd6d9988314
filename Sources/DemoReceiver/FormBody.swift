// SPDX-License-Identifier: Apache-2.0
import OAuth1

/// A body of type application/x-www-form-urlencoded.
struct FormBody {
    let bytes: [UInt8]
    private let parameters: [Parameter]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        parameters = Parameter.parse(form: bytes)
    }

    /// The decoded value of the first parameter of this name.
    subscript(name: String) -> String? {
        let name = PercentEncoding.encode(name)
        return parameters.first { $0.name == name }
            .map { String(decoding: PercentEncoding.decodeForm($0.value), as: UTF8.self) }
    }
}
