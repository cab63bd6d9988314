// SPDX-License-Identifier: Apache-2.0

/// Step 1's view of an ELF file: its program headers, read with pread and judged before anything of it is mapped.
///
/// A file that passes can still kill whoever loads it; what this keeps out is what gives no error but a signal (a truncated
/// file is SIGBUS), a misleading error (another machine's file is "No such file"), or weakens the process. System V gABI.
struct ELFImage {
    struct Segment {
        let type: UInt32
        let flags: UInt32
        let offset: UInt64
        let address: UInt64
        /// In the file.
        let size: UInt64
    }

    /// PT_NOTE segments over this are not looked at.
    private static let noteLimit: UInt64 = 65_536

    let segments: [Segment]

    init(_ file: FileBytes) throws(PluginRefusal) {
        guard let header = file.read(at: 0, count: 64), header.prefix(4) == [0x7f, 0x45, 0x4c, 0x46] else {
            throw .notELF(size: file.size)
        }
        guard header[4] == 2 else { throw .elfClass(bits: header[4] == 1 ? "32-bit" : "\(header[4])") }
        guard header[5] == 1 else { throw .byteOrder }
        let machine: UInt16 = header.number(at: 18)
        guard machine == Self.hostMachine.number else { throw .machine(Self.machines[machine] ?? "number \(machine)") }
        let type: UInt16 = header.number(at: 16)
        guard type == 3 else { throw type == 2 ? .executable : .elfType(type) }
        segments = try Self.segments(file, header)
        guard segments.contains(where: { $0.type == SegmentType.load }) else { throw .nothingToLoad }
        try checkDynamicSection(file)
    }

    private static func segments(_ file: FileBytes, _ header: [UInt8]) throws(PluginRefusal) -> [Segment] {
        let (size, count) = (header.number(at: 54, as: UInt16.self), header.number(at: 56, as: UInt16.self))
        guard size == 56, (1...64).contains(count) else { throw .programHeaders("\(count) of \(size) bytes") }
        let offset: UInt64 = header.number(at: 32)
        guard let table = file.read(at: offset, count: 56 * Int(count)) else {
            throw .truncated(
                what: "program headers",
                size: file.size,
                needed: offset.addingReportingOverflow(56 * UInt64(count)).partialValue
            )
        }
        var segments: [Segment] = []
        for start in stride(from: 0, to: table.count, by: 56) {
            let segment = Segment(
                type: table.number(at: start),
                flags: table.number(at: start + 4),
                offset: table.number(at: start + 8),
                address: table.number(at: start + 16),
                size: table.number(at: start + 32)
            )
            switch segment.type {
            case SegmentType.load, SegmentType.dynamic, SegmentType.note:
                // dlopen would map past the end of the file and get SIGBUS, not an error.
                guard segment.offset <= file.size, segment.size <= file.size - segment.offset else {
                    let end = segment.offset.addingReportingOverflow(segment.size)
                    throw .truncated(what: "segments", size: file.size, needed: end.overflow ? .max : end.partialValue)
                }
            case SegmentType.interpreter: throw .executable
            case SegmentType.stack where segment.flags & 1 != 0: throw .executableStack
            default: break
            }
            segments.append(segment)
        }
        return segments
    }

    /// The notes' segments, as many bytes as each has.
    func notes(_ file: FileBytes) -> [[UInt8]] {
        segments.filter { $0.type == SegmentType.note && $0.size <= Self.noteLimit }.compactMap {
            file.read(at: $0.offset, count: Int($0.size))
        }
    }

    /// Refuses text relocations (the text would have to be writable) and search paths that others can fill.
    private func checkDynamicSection(_ file: FileBytes) throws(PluginRefusal) {
        guard let dynamic = segments.first(where: { $0.type == SegmentType.dynamic }) else { return }
        guard dynamic.size <= 1 << 20, let entries = file.read(at: dynamic.offset, count: Int(dynamic.size) & ~15)
        else {
            throw .dynamicSection("\(dynamic.size) bytes")
        }
        var searchPaths: [UInt64] = []
        var strings: UInt64?
        entries: for start in stride(from: 0, to: entries.count, by: 16) {
            let value: UInt64 = entries.number(at: start + 8)
            switch entries.number(at: start, as: UInt64.self) {
            case DynamicTag.end: break entries
            case DynamicTag.strings: strings = value
            case DynamicTag.rpath, DynamicTag.runpath: searchPaths.append(value)
            case DynamicTag.textRelocations: throw .textRelocations
            case DynamicTag.flags where value & 4 != 0: throw .textRelocations
            case DynamicTag.flags1 where value & 0x40 != 0: throw .notOpenable
            default: break
            }
        }
        for offset in searchPaths {
            guard let strings, let path = text(file, at: strings.addingReportingOverflow(offset)) else {
                throw .dynamicSection("a search path outside of the file")
            }
            try Self.checkSearchPath(path)
        }
    }

    private static func checkSearchPath(_ path: String) throws(PluginRefusal) {
        for folder in path.split(separator: ":", omittingEmptySubsequences: false) {
            let isBesideFile = ["$ORIGIN", "${ORIGIN}"].contains { folder == $0 || folder.hasPrefix($0 + "/") }
            guard isBesideFile || folder.hasPrefix("/") else { throw .searchPath(path, fault: "relative") }
            guard !folder.split(separator: "/").contains("..") else { throw .searchPath(path, fault: "has ..") }
            // Beside the file means beside the private copy, in a folder of ours.
            if !isBesideFile, let fault = FileRights.fault(ofFolder: String(folder), mayBeMissing: true) {
                throw .searchPath(path, fault: fault.description)
            }
        }
    }

    /// The string at a virtual address, nil if it isn't wholly in a loaded segment's part of the file.
    private func text(_ file: FileBytes, at address: (partialValue: UInt64, overflow: Bool)) -> String? {
        guard !address.overflow else { return nil }
        let address = address.partialValue
        for segment in segments where segment.type == SegmentType.load && address >= segment.address {
            let distance = address - segment.address
            guard distance < segment.size else { continue }
            let count = Int(min(segment.size - distance, 4096))
            return file.read(at: segment.offset + distance, count: count)?.text(at: 0, limit: count)
        }
        return nil
    }
}

extension ELFImage {
    private enum SegmentType {
        static let load: UInt32 = 1
        static let dynamic: UInt32 = 2
        static let interpreter: UInt32 = 3
        static let note: UInt32 = 4
        /// PT_GNU_STACK; its flag 1 (PF_X) asks for an executable stack.
        static let stack: UInt32 = 0x6474_e551
    }

    private enum DynamicTag {
        static let end: UInt64 = 0
        static let strings: UInt64 = 5
        static let rpath: UInt64 = 15
        static let textRelocations: UInt64 = 22
        static let runpath: UInt64 = 29
        /// DF_TEXTREL is 4.
        static let flags: UInt64 = 30
        /// DF_1_NOOPEN is 0x40.
        static let flags1: UInt64 = 0x6fff_fffb
    }

    private static let machines: [UInt16: String] = [
        3: "i386", 8: "mips", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv",
        258: "loongarch",
    ]

    #if arch(x86_64)
    static let hostMachine: (number: UInt16, name: String) = (62, "x86_64")
    #elseif arch(arm64)
    static let hostMachine: (number: UInt16, name: String) = (183, "aarch64")
    #endif
}
