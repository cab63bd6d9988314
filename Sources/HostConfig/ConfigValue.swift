// SPDX-License-Identifier: Apache-2.0
import Yams

/// A value under `plugins.NAME` of a site's file, kept as it stands until the plugin's descriptor says what it has to
/// be.
///
/// It may be a secret, so printing it shows its kind only.
package struct ConfigValue: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    enum Content: Hashable, Sendable {
        case nothing
        case scalar(String, isPlain: Bool)
        case list([ConfigValue])
        case mapping
    }

    let content: Content
    package let line: Int

    init(_ node: Node) {
        line = node.line
        switch node {
        case .scalar where node.isNothing: content = .nothing
        case .scalar(let scalar): content = .scalar(scalar.string, isPlain: scalar.style == .plain)
        case .sequence(let sequence): content = .list(sequence.map(ConfigValue.init))
        case .mapping, .alias: content = .mapping
        }
    }

    /// In words for an error.
    func found(isSecret: Bool) -> String {
        switch content {
        case .nothing: "nothing"
        case .scalar(let text, let isPlain):
            isSecret ? "a text" : (isPlain ? "" : "the text ") + Quoted.text(text)
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }

    package var description: String { found(isSecret: true) }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
