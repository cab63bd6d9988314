// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import Testing

@Suite struct SitesChangeTests {
    private func site(_ name: String, _ server: String = "s") -> SiteEntry {
        SiteEntry(nickname: SiteName(unchecked: name), server: server, plugins: [])
    }

    @Test("A change holds what is new, different and gone, and makes the new sites of the old ones")
    func difference() {
        let old = [site("a"), site("b"), site("c")]
        let new = [site("a"), site("b", "other"), site("d")]
        let change = SitesChange(from: old, to: new)
        #expect(change.changed == [site("b", "other"), site("d")])
        #expect(change.removed == [SiteName(unchecked: "c")])
        #expect(change.applied(to: old) == new)
        #expect(SitesChange(from: new, to: new) == SitesChange())
    }

    @Test("A configuration that differs in more than sites is told whole")
    func whole() {
        var old = BrokerConfiguration(stateDirectory: "/x")
        old.sites = [site("a")]
        var new = old
        new.sites = [site("b")]
        let sites = SitesChange(changed: [site("b")], removed: [SiteName(unchecked: "a")])
        #expect(RoleConfiguration.broker(new).change(since: .broker(old)) == .broker(sites))
        new.maxRetries = 3
        #expect(RoleConfiguration.broker(new).change(since: .broker(old)) == nil)
        let console = ConsoleConfiguration(listenHost: "a", listenPort: 1, token: nil, controlSocket: "/c")
        #expect(RoleConfiguration.broker(new).change(since: .console(console)) == nil)
    }
}
