// SPDX-License-Identifier: Apache-2.0

/// The host's serial thread, as a global actor.
///
/// The host calls a plugin one call at a time, and the plugin may call most of the host only from there (`[serial]` in
/// hostd_plugin.h). Handlers, a plugin's life cycle and the callbacks of services are isolated to this actor, so state
/// that lives on it needs no lock, and the compiler refuses a call from the wrong thread. Code elsewhere gets here by
/// `await`, which wakes the host's thread once.
@globalActor
public actor HostActor {
    /// The one instance of this image.
    public static let shared = HostActor()

    /// Where this actor's jobs run: on the host's thread, between two calls of the host.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { HostExecutor.shared.asUnownedSerialExecutor() }

    /// Runs `operation` at once where the caller already is on the host's thread, as in a C callback of the host.
    ///
    /// Stops the program (a bug) where it isn't.
    public static func assumeIsolated<Result: Sendable>(
        _ operation: @HostActor () throws -> Result
    ) rethrows -> Result {
        precondition(HostExecutor.shared.isInside, "called from a thread that isn't the host's serial one")
        // The cast only drops the isolation that the line above has checked: the same as MainActor.assumeIsolated does.
        return try withoutActuallyEscaping(operation) { isolated in
            try unsafeBitCast(isolated, to: (() throws -> Result).self)()
        }
    }
}
