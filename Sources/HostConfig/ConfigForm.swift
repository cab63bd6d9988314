// SPDX-License-Identifier: Apache-2.0
import Yams

/// What a key's value has to look like, and how it is read.
struct ConfigForm<Value> {
    /// In words, to follow "expected".
    let wanted: String
    /// nil where the value is wrong: it has then been reported.
    let read: (Node, KeyReader) -> Value?
}

/// A single value as it stands in the file.
struct ConfigScalar {
    let text: String
    /// Without quotes: only then is `10` a number.
    let isPlain: Bool
}

extension ConfigForm {
    /// A single value; nothing (null) isn't one.
    ///
    /// `parse` gives nil for what isn't `wanted`.
    static func scalar(_ wanted: String, _ parse: @escaping (ConfigScalar) -> Value?) -> ConfigForm {
        ConfigForm(wanted: wanted) { node, reader in
            if let scalar = node.scalar, !node.isNothing,
                let value = parse(ConfigScalar(text: scalar.string, isPlain: scalar.style == .plain))
            {
                return value
            }
            reader.reject(node, wanted: wanted)
            return nil
        }
    }

    /// `null` is the value "none".
    static func optional<Wrapped>(_ form: ConfigForm<Wrapped>) -> ConfigForm where Value == Wrapped? {
        ConfigForm(wanted: form.wanted + " or null") { node, reader in
            if node.isNothing { return .some(nil) }
            return form.read(node, reader).map { .some($0) }
        }
    }

    /// All bad elements are reported, each with its line.
    static func list<Element>(of form: ConfigForm<Element>) -> ConfigForm where Value == [Element] {
        ConfigForm(wanted: "a list, each \(form.wanted)") { node, reader in
            if node.isNothing { return [] }
            guard let sequence = node.sequence else {
                reader.reject(node, wanted: "a list ([A, B] or - lines), each \(form.wanted)")
                return nil
            }
            let values = sequence.map { form.read($0, reader) }
            let good = values.compactMap(\.self)
            return good.count == values.count ? good : nil
        }
    }

    /// A mapping of names that aren't known beforehand.
    static func map<Key: Hashable, Element>(
        _ wantedKey: String,
        _ parseKey: @escaping (String) -> Key?,
        to form: ConfigForm<Element>
    ) -> ConfigForm where Value == [Key: Element] {
        ConfigForm(wanted: "\(wantedKey): \(form.wanted)") { node, reader in
            if node.isNothing { return [:] }
            guard let mapping = node.mapping else {
                reader.reject(node, wanted: "a mapping of \(wantedKey): \(form.wanted)")
                return nil
            }
            var values: [Key: Element] = [:]
            var isGood = true
            for (keyNode, valueNode) in mapping {
                guard let text = keyNode.scalar?.string, let key = parseKey(text) else {
                    reader.reject(keyNode, wanted: wantedKey)
                    isGood = false
                    continue
                }
                let inner = KeyReader(document: reader.document, key: "\(reader.key).\(text)")
                guard let value = form.read(valueNode, inner) else {
                    isGood = false
                    continue
                }
                values[key] = value
            }
            return isGood ? values : nil
        }
    }
}

// MARK: - Plain values

extension ConfigForm where Value == String {
    /// Any text; numbers and the like are taken as they stand.
    static var text: ConfigForm { scalar("a text") { $0.text.isEmpty ? nil : $0.text } }

    static func text(_ wanted: String, where isGood: @escaping (String) -> Bool) -> ConfigForm {
        scalar(wanted) { isGood($0.text) ? $0.text : nil }
    }

    /// Relative to the folder of the file; the value is absolute where that folder is.
    static var path: ConfigForm {
        ConfigForm(wanted: "a path") { node, reader in
            let text = ConfigForm.text("a path") { !$0.isEmpty && !$0.contains("\0") }.read(node, reader)
            return text.map { TextFile.resolve($0, in: reader.document.folder) }
        }
    }
}

extension ConfigForm where Value == Int {
    static func whole(_ range: ClosedRange<Int>) -> ConfigForm {
        scalar("a whole number from \(range.lowerBound) to \(range.upperBound)") { scalar in
            guard scalar.isPlain, let number = Digits.parse(scalar.text) else { return nil }
            return range.contains(Int(number)) ? Int(number) : nil
        }
    }
}

extension ConfigForm where Value == Bool {
    /// YAML 1.1's yes, no, on and off are refused: they surprise as often as they help.
    static var bool: ConfigForm {
        scalar("true or false") { $0.isPlain ? Flag.parse($0.text) : nil }
    }
}

enum Flag {
    static func parse(_ text: String) -> Bool? {
        switch text {
        case "true", "True", "TRUE": true
        case "false", "False", "FALSE": false
        default: nil
        }
    }
}

extension ConfigForm where Value == Duration {
    static func duration(atLeast least: Duration = .zero) -> ConfigForm {
        // Ten years: beyond that it is a mistake, and sums of Unix milliseconds stay far from overflow.
        let most = Duration.days(3650)
        let wanted = "a duration such as 10ms, 5s, 2m, 1h or 5d, from \(DurationText.format(least)) to 3650d"
        return scalar(wanted) { scalar in
            DurationText.parse(scalar.text).flatMap { least <= $0 && $0 <= most ? $0 : nil }
        }
    }
}

extension ConfigForm where Value == ByteCount {
    static func size(atLeast least: ByteCount) -> ConfigForm {
        scalar("a size such as 512MiB (B, KiB, MiB, GiB, TiB), at least \(least)") { scalar in
            ByteCount(scalar.text).flatMap { $0 >= least ? $0 : nil }
        }
    }
}

extension ConfigForm where Value == Secret {
    /// Written out, `${NAME}`, or `file:PATH`; its text stands in no error.
    static var secret: ConfigForm { ConfigForm(wanted: "a secret", read: readSecret) }

    private static func readSecret(_ node: Node, _ reader: KeyReader) -> Secret? {
        guard let scalar = node.scalar, !node.isNothing, !scalar.string.isEmpty else {
            reader.reject(node, wanted: "a secret: a text, ${NAME} or file:PATH", isSecret: true)
            return nil
        }
        do throws(SecretReference.Failure) {
            let document = reader.document
            return try SecretReference(scalar.string).resolve(in: document.folder, environment: document.environment)
        } catch {
            reader.document.report(.secret(reader.place(node), problem: error.problem))
            return nil
        }
    }
}
