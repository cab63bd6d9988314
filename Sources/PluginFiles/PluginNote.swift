// SPDX-License-Identifier: Apache-2.0
import PluginABI
package import QueueCore

/// The identity that a plugin carries in its ELF note `.note.hostd`: read before any of its code runs.
package struct PluginNote: Hashable, Sendable {
    package static let hostMajor = Int(HOSTD_ABI_MAJOR)
    package static let hostMinor = Int(HOSTD_BUILT_MINOR)

    /// Reverse DNS, `[a-z0-9.-]`.
    package let id: String
    /// For people.
    package let version: String
    package let abi: ABIVersion

    /// Takes the first note of ours in the given PT_NOTE segments and judges it.
    init(notes: [[UInt8]]) throws(PluginRefusal) {
        guard let bytes = notes.lazy.compactMap(Self.find).first else { throw .noNote }
        guard let id = bytes.text(at: Field.id, limit: 64), Self.isLegal(id: id) else {
            throw .id(bytes.text(at: Field.id, limit: 64) ?? "no text")
        }
        guard let version = bytes.text(at: Field.version, limit: 40), version == printable(version) else {
            throw .version
        }
        self.id = id
        self.version = version
        abi = ABIVersion(
            major: Int(bytes.number(at: Field.major, as: UInt16.self)),
            needMinor: Int(bytes.number(at: Field.needMinor, as: UInt16.self)),
            builtMinor: Int(bytes.number(at: Field.builtMinor, as: UInt16.self))
        )
        guard abi.major == Self.hostMajor else { throw .abiMajor(abi.major) }
        guard abi.needMinor <= Self.hostMinor else { throw .abiMinor(need: abi.needMinor) }
    }

    package static func isLegal(id: String) -> Bool {
        !id.isEmpty && id.utf8.count <= 63
            && id.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// Walks one segment's notes; name and description of each are padded to 4 bytes.
    ///
    /// A later header may make ours longer.
    private static func find(in segment: [UInt8]) -> [UInt8]? {
        let size = MemoryLayout<hostd_note>.size
        var start = 0
        while start + 12 <= segment.count {
            let (nameSize, bodySize) = (
                segment.number(at: start, as: UInt32.self), segment.number(at: start + 4, as: UInt32.self)
            )
            let padded = 12 + (Int(nameSize) + 3) & ~3 + (Int(bodySize) + 3) & ~3
            guard padded <= segment.count - start else { return nil }
            let isOurs =
                nameSize == 6 && segment.number(at: start + 8, as: UInt32.self) == UInt32(HOSTD_NOTE_TYPE)
                && segment[(start + 12)..<(start + 18)].elementsEqual("hostd\0".utf8)
            if isOurs, padded >= size { return Array(segment[start..<start + size]) }
            start += padded
        }
        return nil
    }

    private enum Field {
        static let major = offset(of: \.major)
        static let builtMinor = offset(of: \.built_minor)
        static let needMinor = offset(of: \.need_minor)
        static let id = offset(of: \.id)
        static let version = offset(of: \.version)

        private static func offset(of field: PartialKeyPath<hostd_note>) -> Int {
            guard let offset = MemoryLayout<hostd_note>.offset(of: field) else {
                preconditionFailure("a C struct's field has an offset")
            }
            return offset
        }
    }
}
