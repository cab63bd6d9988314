// SPDX-License-Identifier: Apache-2.0

import Dispatch

/// The serial executor on which all fake hosts of a process call their plugins.
///
/// One for all, because the plugins of a test process share one PluginKit. Dispatch may move it between threads, which
/// the ABI allows a host to do.
enum HostThread {
    private static let queue = DispatchQueue(label: "hostd.fake-host")

    static func post(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }

    static func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }
}

/// A callback that the plugin gave to the host, with the pointer that it wants back.
///
/// Unchecked Sendable: a C function and an opaque pointer, which only the plugin looks behind, on the host's thread.
struct Callback<Function>: @unchecked Sendable {
    let function: Function
    let user: UnsafeMutableRawPointer?
}
