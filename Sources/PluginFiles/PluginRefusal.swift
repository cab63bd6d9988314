// SPDX-License-Identifier: Apache-2.0

/// Why a file in plugins.d isn't used.
///
/// Its description is one line without the file's name: what was judged, what was found, what is wanted, and the remedy
/// where there is one.
package enum PluginRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    // The file.
    case name(String)
    case symbolicLink
    case unreadable(String)
    case fileType(String)
    case owner(UInt32)
    case writable(mode: UInt32)
    case setuid(mode: UInt32)
    case changedMeanwhile

    // ELF.
    case notELF(size: UInt64)
    case elfClass(bits: String)
    case byteOrder
    case machine(String)
    case elfType(UInt16)
    case executable
    case programHeaders(String)
    case truncated(what: String, size: UInt64, needed: UInt64)
    case executableStack
    case nothingToLoad
    case textRelocations
    case notOpenable
    case dynamicSection(String)
    case searchPath(String, fault: String)

    // The note.
    case noNote
    case id(String)
    case version
    case abiMajor(Int)
    case abiMinor(need: Int)
    case sameID(String, others: [String])

    /// What the load test said, or how it died.
    case loadTest(String)

    package var description: String {
        switch self {
        case .name(let name):
            "name: found \"\(printable(name))\", wanted at most 64 of a-z, 0-9, _ and - before .so, not - first (rename it)"
        case .symbolicLink: "open: found a symbolic link, wanted the file itself (copy it and rename the copy)"
        case .unreadable(let why): "open: found \"\(why)\", wanted a file that uid \(hostUser) can read"
        case .fileType(let type): "file type: found a \(type), wanted a regular file"
        case .owner(let uid): "owner: found uid \(uid), wanted root or hostd's uid \(hostUser) (chown)"
        case .writable(let mode):
            "mode: found \(octal(mode)), wanted no write for group and others (chmod \(remedy(mode)))"
        case .setuid(let mode): "mode: found \(octal(mode)), wanted neither setuid nor setgid (chmod \(remedy(mode)))"
        case .changedMeanwhile:
            "content: found it changing while it was read, wanted a finished file (install by rename, not by copying over)"
        case .notELF(let size): "format: found no ELF header in \(size) bytes, wanted an ELF shared object"
        case .elfClass(let bits): "ELF class: found \(bits), wanted 64-bit"
        case .byteOrder: "byte order: found big-endian, wanted little-endian"
        case .machine(let machine):
            "machine: found \(machine), wanted \(ELFImage.hostMachine.name) (build it for this machine)"
        case .elfType(let type): "ELF type: found \(type), wanted 3, a shared object (link with -shared)"
        case .executable: "ELF type: found an executable, wanted a shared object (link with -shared)"
        case .programHeaders(let found): "program headers: found \(found), wanted 1 to 64 of 56 bytes each"
        case .truncated(let what, let size, let needed):
            "size: found \(size) bytes, wanted \(needed) for its \(what) (truncated: copy it again, then rename)"
        case .executableStack: "stack: found a request for an executable one, wanted none (link with -z noexecstack)"
        case .nothingToLoad: "segments: found none to load, wanted at least one"
        case .textRelocations: "relocations: found some in the text (DT_TEXTREL), wanted none (compile with -fPIC)"
        case .notOpenable: "flags: found DF_1_NOOPEN, wanted a file that dlopen may load (link without -z nodlopen)"
        case .dynamicSection(let found): "dynamic section: found \(found), wanted a complete one"
        case .searchPath(let path, let fault):
            "RPATH or RUNPATH: found \"\(printable(path))\" (\(fault)), wanted absolute folders that only root and uid "
                + "\(hostUser) can write (link without -rpath)"
        case .noNote: "note: found no .note.hostd, wanted one (not a hostd plugin? see HOSTD_PLUGIN in hostd_plugin.h)"
        case .id(let id): "id: found \"\(printable(id))\", wanted 1 to 63 of a-z, 0-9, . and -"
        case .version: "version: found no text of at most 39 bytes, wanted one"
        case .abiMajor(let major):
            "ABI major: found \(major), wanted \(PluginNote.hostMajor) (build it against this hostd's hostd_plugin.h)"
        case .abiMinor(let need):
            "ABI minor: found a need of \(need), wanted at most \(PluginNote.hostMinor) (update hostd)"
        case .sameID(let id, let others):
            "id: found \(id) in \(others.joined(separator: ", ")) too, wanted one file for each id (remove the others)"
        case .loadTest(let line): line
        }
    }

    private var hostUser: UInt32 { FileRights.hostUser }
}

private func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

/// The same mode with what is refused taken away.
private func remedy(_ mode: UInt32) -> String { String(mode & 0o755, radix: 8) }

/// What a file says of itself may hold anything: it must not break the one line, nor a terminal.
package func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.prefix(200).map { $0.properties.isPrintable ? $0 : "?" }))
}

extension Unicode.Scalar.Properties {
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
