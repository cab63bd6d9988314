// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// A file of plugins.d that passed step 1, open, with its content's hash.
package struct PluginFile: Sendable {
    package let name: PluginName
    package let image: PluginImage
    /// Of the content, in hexadecimal.
    package let sha256: String

    package var path: String { image.path }
    package var size: UInt64 { image.size }
    package var note: PluginNote { image.note }

    /// Checks one file; its name must be a plugin's.
    package init(path: String) throws(PluginRefusal) {
        let file = path.split(separator: "/").last.map(String.init) ?? ""
        guard let name = Self.name(ofFile: file) else { throw .name(file) }
        self.name = name
        image = try PluginImage(path: path)
        sha256 = try image.sha256()
    }

    /// `[a-z0-9_-]+.so`, without `.so`; nil for another name.
    static func name(ofFile file: String) -> PluginName? {
        guard file.hasSuffix(".so") else { return nil }
        let name = String(file.dropLast(3))
        let isLowerCase = name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return isLowerCase ? PluginName(name) : nil
    }
}
