// SPDX-License-Identifier: Apache-2.0

import PluginABI

// The C functions in a plugin's table. The host calls all of them on its serial thread, one at a time (hostd_plugin.h),
// which is what `inside` stands on. Pointers are `nonisolated(unsafe)` because the compiler can't know that they are
// lent for this call and that the call stays on this thread. A Swift error ends here, as a status and a text.

private func inside<Result: Sendable>(_ body: @HostActor () -> Result) -> Result {
    HostExecutor.shared.enter()
    defer { HostExecutor.shared.leave() }
    return HostActor.assumeIsolated(body)
}

/// Runs `body`; a thrown error's text goes into the host's buffer.
private func reporting(
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ capacity: Int,
    _ body: @HostActor () throws -> Void
) -> Int32 {
    let problem: String? = inside {
        do {
            try body()
            return nil
        } catch {
            return "\(error)"
        }
    }
    guard let problem else { return HOSTD_OK }
    report(problem, to: buffer, capacity: capacity)
    return HOSTD_E_FAIL
}

private func retained<Runtime: AnyObject>(_ runtime: Runtime) -> UnsafeMutableRawPointer {
    Unmanaged.passRetained(runtime).toOpaque()
}

private func runtime<Runtime: AnyObject>(_ state: UnsafeMutableRawPointer, _ type: Runtime.Type) -> Runtime {
    Unmanaged<Runtime>.fromOpaque(state).takeUnretainedValue()
}

func handleItem(
    _ state: UnsafeMutableRawPointer?,
    _ job: UnsafePointer<hostd_job>?,
    _ result: UnsafeMutablePointer<hostd_result>?
) -> UInt32 {
    guard let state, let job else { return HOSTD_RETRY }
    nonisolated(unsafe) let lent = job
    let site = runtime(state, SiteRuntime.self)
    return inside { site.handle(lent) }
}

func cancelItem(_ state: UnsafeMutableRawPointer?, _ token: hostd_token) {
    guard let state else { return }
    let site = runtime(state, SiteRuntime.self)
    inside { site.cancel(token) }
}

func initPlugin(
    _ table: UnsafePointer<hostd_host>?,
    _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ error: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> Int32 {
    guard let table, let state else { return HOSTD_E_INVAL }
    nonisolated(unsafe) let result = state
    HostExecutor.shared.attach(table)
    let host = Host(table)
    let status = reporting(error, capacity) { result.pointee = retained(try PluginEntry.makeRuntime(host)) }
    if status != HOSTD_OK { HostExecutor.shared.detach(table) }
    return status
}

func shutdownPlugin(_ state: UnsafeMutableRawPointer?) {
    guard let state else { return }
    let plugin = runtime(state, PluginRuntime.self)
    inside { plugin.shutdown() }
    HostExecutor.shared.detach(plugin.host.table)
    Unmanaged<PluginRuntime>.fromOpaque(state).release()
}

func openSite(
    _ pluginState: UnsafeMutableRawPointer?,
    _ opening: UnsafePointer<hostd_site_opening>?,
    _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ error: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> Int32 {
    guard let pluginState, let opening, let state else { return HOSTD_E_INVAL }
    nonisolated(unsafe) let lent = opening
    nonisolated(unsafe) let result = state
    let plugin = runtime(pluginState, PluginRuntime.self)
    return reporting(error, capacity) { result.pointee = retained(try plugin.open(lent)) }
}

func reconfigureSite(
    _ state: UnsafeMutableRawPointer?,
    _ config: OpaquePointer?,
    _ error: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> Int32 {
    guard let state, let config else { return HOSTD_E_INVAL }
    let site = runtime(state, SiteRuntime.self)
    nonisolated(unsafe) let lent = config
    return reporting(error, capacity) { try site.reconfigure(SiteConfig(lent, host: site.site.host)) }
}

func drainSite(_ state: UnsafeMutableRawPointer?, _ deadline: Int64) {
    guard let state else { return }
    let site = runtime(state, SiteRuntime.self)
    inside { site.drain() }
}

func closeSite(_ state: UnsafeMutableRawPointer?) {
    guard let state else { return }
    let site = runtime(state, SiteRuntime.self)
    inside { site.close() }
    Unmanaged<SiteRuntime>.fromOpaque(state).release()
}
