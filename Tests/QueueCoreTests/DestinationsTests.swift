// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@Suite struct DestinationsTests {
    private let destinations = Destinations(
        basename: "/queue/statusnet/",
        groups: [GroupName.main, GroupName(unchecked: "xmpp")],
        breakouts: ["main/omb", "main/distrib/peer", "xmpp/xmppout", "main/omb/busy"].compactMap(Breakout.init)
    )

    @Test("A breakout names a group and a queue, and a site where it has three parts")
    func breakout() throws {
        let queue = try #require(Breakout("main/omb"))
        #expect(queue.group.rawValue == "main" && queue.queue.rawValue == "omb" && queue.site == nil)
        #expect(queue.path == "main/omb")
        let site = try #require(Breakout("main/distrib/peer"))
        #expect(site.group.rawValue == "main" && site.queue.rawValue == "distrib" && site.site?.rawValue == "peer")
        #expect(site.path == "main/distrib/peer")
    }

    @Test(
        "Anything else is no breakout",
        arguments: [
            "", "/", "main", "main/", "/omb", "main/omb/", "main//peer", "a/b/c/d", "main/om b", "-a/b", "a/.b",
        ]
    )
    func noBreakout(_ text: String) {
        #expect(Breakout(text) == nil)
    }

    @Test(
        "Own are each group's destination and each breakout's",
        arguments: ["main", "xmpp", "main/omb", "main/distrib/peer", "xmpp/xmppout", "main/omb/busy"]
    )
    func own(_ path: String) {
        #expect(destinations.isOwn("/queue/statusnet/" + path))
    }

    @Test(
        "Whatever else there is belongs to its users",
        arguments: [
            "", "main", "/queue/statusnet/", "/queue/statusnet/other", "/queue/statusnet/main/", "/queue/other/main",
            "/queue/statusnet/main/distrib", "/queue/statusnet/main/distrib/other", "/topic/statusnet/control",
            "/QUEUE/statusnet/main",
        ]
    )
    func notOwn(_ destination: String) {
        #expect(!destinations.isOwn(destination))
    }

    @Test("The group main is there, whatever groups there are")
    func mainGroup() {
        let bare = Destinations(basename: "/queue/hostd/", groups: [GroupName](), breakouts: [])
        #expect(bare.isOwn("/queue/hostd/main"))
    }

    @Test(
        "An item goes to its site's breakout, else its queue's, else its group",
        arguments: [
            (["main", "omb", "busy"], "main/omb/busy"), (["main", "omb", "peer"], "main/omb"),
            (["main", "distrib", "peer"], "main/distrib/peer"), (["main", "distrib", "busy"], "main"),
            (["xmpp", "xmppout", "peer"], "xmpp/xmppout"), (["xmpp", "omb", "peer"], "xmpp"),
            (["other", "omb", "peer"], "other"),
        ]
    )
    func lookUp(_ item: [String], _ path: String) {
        let found = destinations.destination(
            group: GroupName(unchecked: item[0]),
            queue: QueueName(unchecked: item[1]),
            site: SiteName(unchecked: item[2])
        )
        #expect(found == "/queue/statusnet/" + path)
    }
}
