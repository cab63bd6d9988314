// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// One call of handle(), from the host's job to complete().
///
/// Made by `SiteRuntime`, which also keeps those under way.
@HostActor
final class Delivery {
    let site: SiteRuntime
    let queue: String
    let token: hostd_token
    private let handler: any Handler
    var task: Task<Void, Never>?
    /// Its neighbours in the site's list of deliveries under way.
    var previous: Delivery?
    var next: Delivery?
    /// nil once complete() was called: from then on the job's memory is the host's again.
    private var borrowed: UnsafePointer<hostd_job>?

    init(_ job: UnsafePointer<hostd_job>, queue: String, handler: any Handler, site: SiteRuntime) {
        self.site = site
        self.handler = handler
        self.queue = queue
        token = job.pointee.token
        borrowed = job
    }

    var job: UnsafePointer<hostd_job> {
        guard let borrowed else { preconditionFailure("an item of queue \(queue) is used after its handler returned") }
        return borrowed
    }

    func run() async {
        var outcome: Outcome
        do { outcome = try await handler.handle(Item(delivery: self)) } catch { outcome = Outcome(thrown: error) }
        borrowed = nil
        let host = site.site.host
        outcome.withResult { result in
            // A stale token is no failure: the host gave the item up before, and has dropped this outcome.
            _ = host.table.pointee.complete?(host.table, token, result)
        }
        task = nil
        site.end(self)
    }
}
