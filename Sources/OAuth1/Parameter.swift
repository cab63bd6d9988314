// SPDX-License-Identifier: Apache-2.0

/// A request's parameter, both halves percent-encoded; ordered as RFC 5849 section 3.4.1.3.2 sorts them.
package struct Parameter: Hashable, Comparable, Sendable {
    package let name: [UInt8]
    package let value: [UInt8]

    package init(_ name: String, _ value: String) {
        self.name = PercentEncoding.encode(name)
        self.value = PercentEncoding.encode(value)
    }

    /// Of halves that are encoded already.
    package init(encodedName name: [UInt8], encodedValue value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// The parameters of a query or a form body, in its order.
    package static func parse(form: some Collection<UInt8>) -> [Parameter] {
        form.split(separator: UInt8(ascii: "&")).map { field in
            let halves = field.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            return Parameter(encodedName: normal(halves[0]), encodedValue: halves.count > 1 ? normal(halves[1]) : [])
        }
    }

    /// Decoded and encoded again, so that `+`, lower-case digits and needless escapes don't matter.
    private static func normal(_ half: some Collection<UInt8>) -> [UInt8] {
        var encoded: [UInt8] = []
        PercentEncoding.append(PercentEncoding.decodeForm(half), to: &encoded)
        return encoded
    }

    /// As `name=value&name=value`.
    package static func join(_ parameters: [Parameter]) -> [UInt8] {
        var form: [UInt8] = []
        form.reserveCapacity(parameters.reduce(0) { $0 + $1.name.count + $1.value.count + 2 })
        for parameter in parameters {
            if !form.isEmpty { form.append(UInt8(ascii: "&")) }
            form.append(contentsOf: parameter.name)
            form.append(UInt8(ascii: "="))
            form.append(contentsOf: parameter.value)
        }
        return form
    }

    /// By name, then by value.
    ///
    /// Not by `name=value` as one text: `a=` sorts before `a-b=`.
    package static func < (left: Parameter, right: Parameter) -> Bool {
        if left.name == right.name { return left.value.lexicographicallyPrecedes(right.value) }
        return left.name.lexicographicallyPrecedes(right.name)
    }
}
