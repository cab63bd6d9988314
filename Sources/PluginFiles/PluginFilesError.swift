// SPDX-License-Identifier: Apache-2.0

/// What keeps hostd from looking at its plugins at all; a fault of one file is a `PluginRefusal`.
package enum PluginFilesError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The plugins' folder, or a folder above it, can't be trusted or read.
    case folder(String, fault: FolderFault)
    /// The private copy can't be made: a full disk, say.
    case copy(to: String, why: String)
    /// The bytes that were copied aren't those that were checked.
    case copyDiffers(from: String)
    /// The load test can't be started: no fault of the plugin's.
    case spawn(executable: String, why: String)

    package var description: String {
        switch self {
        case .folder(let path, let fault): "\(path): \(fault)"
        case .copy(let path, let why): "\(path): can't write the private copy of a plugin: \(why)"
        case .copyDiffers(let path):
            "\(path): found it changed since it was checked, wanted the same bytes (scan it again)"
        case .spawn(let executable, let why): "\(executable): can't start the load test of a plugin: \(why)"
        }
    }
}
