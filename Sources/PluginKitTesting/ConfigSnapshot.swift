// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKit

/// A site's configuration behind the ABI's opaque pointer; counted, so that a test sees a snapshot that is never released.
final class ConfigSnapshot: Sendable {
    let generation: UInt64
    private let bytes: [UInt8]
    private let values: [String: Range<Int>]
    // nonisolated(unsafe): a copy of `bytes` at a place that doesn't move, constant until deinit.
    private nonisolated(unsafe) let block: UnsafeMutableRawBufferPointer

    init(_ config: [String: String], generation: UInt64) {
        var arena = Arena()
        values = config.mapValues { arena.add($0) }
        bytes = arena.bytes
        self.generation = generation
        block = .allocate(byteCount: max(1, bytes.count), alignment: 1)
        block.copyBytes(from: bytes)
    }

    deinit { block.deallocate() }

    var pointer: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    func value(_ key: String) -> hostd_str? { values[key].map { UnsafeRawBufferPointer(block).slice($0) } }

    static func from(_ pointer: OpaquePointer) -> Unmanaged<ConfigSnapshot> {
        Unmanaged.fromOpaque(UnsafeRawPointer(pointer))
    }
}
