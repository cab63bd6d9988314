// SPDX-License-Identifier: Apache-2.0

/// Samples in Prometheus' text format, version 0.0.4.
package enum PrometheusText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Metrics in the order of their names, series in the order of their labels; a name that comes with two kinds keeps
    /// the first.
    package static func render(_ samples: [MetricSample]) -> String {
        var families: [String: [MetricSample]] = [:]
        for sample in samples where families[sample.name]?.first.map({ $0.kind == sample.kind }) ?? true {
            families[sample.name, default: []].append(sample)
        }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            guard let first = family.first, isName(name) else { continue }
            if !first.help.isEmpty { text += "# HELP \(name) \(escaped(first.help, quotes: false))\n" }
            text += "# TYPE \(name) \(first.kind.rawValue)\n"
            let rows = family.map { (labels: labelText($0.labels), sample: $0) }.sorted { $0.labels < $1.labels }
            for row in rows { append(row.sample, labels: row.labels, to: &text) }
        }
        return text
    }

    private static func append(_ sample: MetricSample, labels: String, to text: inout String) {
        guard let histogram = sample.histogram else {
            text += "\(sample.name)\(braced(labels)) \(number(sample.value))\n"
            return
        }
        let comma = labels.isEmpty ? "" : ","
        var count: UInt64 = 0
        for (bound, inBucket) in zip(histogram.bounds.map(number) + ["+Inf"], histogram.counts) {
            count += inBucket
            text += "\(sample.name)_bucket{\(labels)\(comma)le=\"\(bound)\"} \(count)\n"
        }
        text += "\(sample.name)_sum\(braced(labels)) \(number(histogram.sum))\n"
        text += "\(sample.name)_count\(braced(labels)) \(count)\n"
    }

    private static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    private static func labelText(_ labels: [String: String]) -> String {
        labels.filter { isName($0.key) && !$0.key.contains(":") }.sorted { $0.key < $1.key }
            .map { "\($0.key)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func number(_ value: Double) -> String {
        // Whole numbers without ".0" up to 2^53, where Double still tells neighbours apart.
        value == value.rounded() && abs(value) < 0x1p53 ? String(Int64(value)) : String(value)
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    package static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
        return text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95 || $0 == 58
        }
    }
}
