// SPDX-License-Identifier: Apache-2.0

/// Asks again and again until `condition` holds, for what gives no event (a file, another process's state).
///
/// Prefer `EventLog` where the thing waited for can tell. Throws with `what`, and what was `seen` instead, once the limit
/// has passed.
package func eventually(
    _ what: String,
    within limit: Duration = .seconds(20),
    every pause: Duration = .milliseconds(5),
    seen: () async -> String = { "it never held" },
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw TestSupportError.timeLimitPassed(waitingFor: what, after: limit, seen: await seen())
        }
        try await Task.sleep(for: pause)
    }
}
