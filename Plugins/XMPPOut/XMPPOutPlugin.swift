// SPDX-License-Identifier: Apache-2.0

package import PluginKit

/// XMPP: notices to the contacts of a site's authors and to its firehose, over one connection per site.
///
/// Stage 1 (`jabber`, `public`, `xmppconfirm`) stages one item per contact; stage 2 (`xmppout`) sends it and waits until
/// the server has it. What contacts send comes out on `xmppin`. docs/protocols/xmpp.md has the rest.
package struct XMPPOutPlugin: Plugin {
    package static let identity = PluginIdentity(note: pluginNote)
    package static let configKeys = XMPPOutConfig.keys
    package static let outputs = ["xmppin"]

    package static let queues: [ServedQueue<XMPPSite>] = [
        ServedQueue("jabber", takesNotices: true, maxInFlight: 4) { XMPPExpand($0, .contacts) },
        ServedQueue("public", takesNotices: true, maxInFlight: 4) { XMPPExpand($0, .firehose) },
        ServedQueue("xmppconfirm", maxInFlight: 16) { _ in XMPPConfirm() },
        ServedQueue(
            XMPPSite.queue,
            group: "xmpp",
            isSingleton: true,
            isOrdered: true,
            maxInFlight: 2048,
            timeout: .seconds(60)
        ) { XMPPDeliver($0) },
    ]

    private let metrics: XMPPMetrics
    /// Of all sites' connections.
    private let gate = ConnectGate()

    package init(host: Host) throws {
        try host.require(.stream, .loop, .recipients)
        metrics = XMPPMetrics(host)
    }

    package func open(_ site: Site) throws -> XMPPSite {
        XMPPSite(site, config: try XMPPOutConfig(site.config), metrics: metrics, gate: gate)
    }

    package func reconfigure(_ state: XMPPSite, to config: SiteConfig) throws {
        state.reconfigure(try XMPPOutConfig(config))
    }

    package func drain(_ state: XMPPSite) async { await state.drain() }

    package func close(_ state: XMPPSite) { state.close() }
}

/// What is counted, for all sites.
struct XMPPMetrics {
    /// 1 where the site's stream is up.
    let isConnected: Gauge
    let received: Counter
    let bounced: Counter

    @HostActor init(_ host: Host) {
        isConnected = host.gauge("xmppout_connected", help: "1 while the site's stream is up.")
        received = host.counter("xmppout_received_total", help: "Messages from contacts, for xmppin.")
        bounced = host.counter("xmppout_bounced_total", help: "Stanzas that came back as errors.")
    }
}
