// SPDX-License-Identifier: Apache-2.0
package import PluginFiles

/// Why a plugin file could not be loaded, or is not a plugin that this host understands.
///
/// One line without the file's name.
package enum PluginLoadError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Step 1 refused it.
    case file(PluginRefusal)
    case unexpectedID(found: String, wanted: String)
    case dlopen(String)
    case noEntry
    case noTable
    case size(of: String, found: UInt32, wanted: Int)
    case id(found: String, wanted: String)
    case missingFunction(String)
    /// A count out of its range.
    case count(of: String, found: UInt32, wanted: ClosedRange<UInt32>)
    /// A pointer that must not be NULL, or a text that isn't NUL-terminated UTF-8 of sane length.
    case text(of: String)
    case name(of: String, found: String)
    case hostsOwn(String, found: String)
    case twice(String, found: String)
    case keyType(key: String, found: UInt32)
    case keyDefault(key: String, found: String, wanted: String)

    package var description: String {
        switch self {
        case .file(let refusal): refusal.description
        case .unexpectedID(let found, let wanted): "id: found \(found), wanted \(wanted)"
        case .dlopen(let why): "dlopen: \(printable(why))"
        case .noEntry: "symbol: found no hostd_plugin_entry_v1, wanted it exported (see HOSTD_PLUGIN in hostd_plugin.h)"
        case .noTable: "entry: found NULL, wanted the plugin's table"
        case .size(let table, let found, let wanted):
            "\(table): struct_size: found \(found), wanted \(wanted) to \(DescriptorReader.largestStruct)"
        case .id(let found, let wanted):
            "id: found \"\(printable(found))\" in the table, wanted \(wanted) as in the note"
        case .missingFunction(let name): "\(name): found NULL, wanted a function"
        case .count(let what, let found, let wanted):
            "\(what): found \(found), wanted \(wanted.lowerBound) to \(wanted.upperBound)"
        case .text(let what): "\(what): found no text, wanted one that ends in NUL and is UTF-8"
        case .name(let what, let found):
            "\(what): found \"\(printable(found))\", wanted a legal name (see hostd_plugin.h)"
        case .hostsOwn(let what, let found): "\(what): found \"\(found)\", which is hostd's own, wanted another name"
        case .twice(let what, let found): "\(what): found \"\(found)\" twice, wanted it once"
        case .keyType(let key, let found): "config key \(key): type: found \(found), wanted 1 to 4 (HOSTD_KEY_*)"
        case .keyDefault(let key, let found, let wanted):
            "config key \(key): default: found \"\(printable(found))\", wanted \(wanted)"
        }
    }
}
