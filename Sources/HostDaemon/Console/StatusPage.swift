// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// The one page: how hostd is, for people.
///
/// Pure: made from the supervisor's answers, without script.
struct StatusPage {
    let snapshot: Snapshot
    let now: Date

    /// Rows of lanes that are shown; more would make the page slow, and `queuectl status` has all.
    static let mostLanes = 50

    func html(nonce: String) -> HTML {
        PageFrame.whole(
            title: "hostd",
            refresh: 5,
            nonce: nonce,
            body: """
                <header><h1>hostd</h1><p>\(subtitle)</p><p class="state">\(health)</p></header>
                <main>\(needs)\(figures)\(deadLetters)\(lanes)\(blocks)\(plugins)\(queues)\(sites)\(processes)</main>
                <footer>As of \(PageFrame.clock(now)) UTC, read again every 5 seconds ·
                <a href="/status.json">status.json</a> · <a href="/metrics">metrics</a> · <a href="/health">health</a></footer>
                """
        )
    }

    private var queueRows: [JSONValue] { snapshot.status["queues"]?.array ?? [] }
    private var laneRows: [JSONValue] {
        (snapshot.status["lanes"]?.array ?? []).filter { $0["state"]?.string != "closed" }
    }
    private var unloaded: [JSONValue] {
        snapshot.plugins.filter { ["refused", "failed"].contains($0["state"]?.string) }
    }
    private var brokenSites: [JSONValue] { snapshot.sites.filter { $0["error"]?.string != nil } }

    private func total(_ member: String) -> Double { queueRows.reduce(0) { $0 + ($1[member]?.number ?? 0) } }
    private var dead: Int64 { Int64(total("dead")) }

    private var subtitle: String {
        let hostd = snapshot.status["hostd"]
        var parts = [hostd?["version"]?.string ?? ""]
        if let pid = hostd?["pid"]?.int { parts.append("pid \(pid)") }
        if let uptime = hostd?["uptime_s"]?.int { parts.append("up " + Figures.span(seconds: uptime)) }
        return parts.filter { !$0.isEmpty }.joined(separator: " · ")
    }

    /// What somebody should look at, in a few words.
    private var health: HTML {
        var worries: [String] = []
        if !unloaded.isEmpty { worries.append(Self.several(unloaded.count, "plugin") + " not loaded") }
        if !brokenSites.isEmpty { worries.append(Self.several(brokenSites.count, "site") + " broken") }
        let paused = queueRows.count { $0["paused"]?.bool == true }
        if paused > 0 { worries.append(Self.several(paused, "queue") + " paused") }
        if lanesTotal > 0 {
            worries.append(Self.several(lanesTotal, "lane") + (lanesTotal == 1 ? " backs off" : " back off"))
        }
        let others = sentences.count
        if worries.isEmpty, others > 0 { worries.append(Self.several(others, "thing") + " to look at") }
        let isBad = !unloaded.isEmpty || !brokenSites.isEmpty
        return worries.isEmpty
            ? "<span class=\"pill good\">all well</span>"
            : "<span class=\"pill \(isBad ? "bad" : "warn")\">\(worries.joined(separator: " · "))</span>"
    }

    private var sentences: [String] { (snapshot.status["needs"]?.array ?? []).compactMap(\.string) }

    /// The broker lists no more lanes than somebody reads.
    private var lanesTotal: Int {
        max(laneRows.count, Int(clamping: snapshot.status["lanes_total"]?.int ?? 0))
    }

    private var needs: HTML {
        guard !sentences.isEmpty else { return "" }
        let items = HTML.joined(sentences.map { "<li>\($0)</li>" })
        return "<section class=\"notice\"><h2>Needs a person</h2><ul>\(items)</ul></section>"
    }

    private static func several(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

    private var figures: HTML {
        func figure(_ name: String, _ value: String, isAlarm: Bool = false) -> HTML {
            "<dl class=\"figure\"><dt>\(name)</dt><dd class=\"\(isAlarm ? "alarm" : "")\">\(value)</dd></dl>"
        }
        return """
            <div class="figures">\(figure("Ready", Figures.count(Int64(total("ready")))))\
            \(figure("Delayed", Figures.count(Int64(total("delayed")))))\
            \(figure("In flight", Figures.count(Int64(total("claimed")))))\
            \(figure("Dead letters", Figures.count(dead), isAlarm: dead > 0))\
            \(figure("In, items/s", Figures.rate(total("rate_in"))))\
            \(figure("Out, items/s", Figures.rate(total("rate_out"))))\
            \(store.map { figure("Store", $0, isAlarm: producersWait) } ?? "")</div>
            """
    }

    private var producersWait: Bool { snapshot.status["store"]?["producers_wait"]?.bool == true }

    /// `48 MiB of 2 GiB`: what is used of queue.max_store, where that is set.
    private var store: String? {
        let store = snapshot.status["store"]
        return store?["used_bytes"]?.int.map { Figures.bytes($0, of: store?["max_bytes"]?.int) }
    }

    /// What is in queue.dead_letter_dir, where that is set.
    private var deadLetterFiles: HTML {
        guard let files = snapshot.status["dead_letter_files"], let folder = files["folder"]?.string else { return "" }
        let waiting = files["waiting"]?.int ?? 0
        let state = waiting > 0 ? "\(Figures.count(waiting)) wait to be written or removed" : "all written"
        let error = files["error"]?.string.map { "; \($0)" } ?? ""
        return "<p>As files in <code>\(folder)</code>: \(state)\(error).</p>"
    }

    private var deadLetters: HTML {
        guard dead > 0 else { return "" }
        let heading = Figures.count(dead) + (dead == 1 ? " dead letter" : " dead letters")
        return """
            <section class="notice"><h2>\(heading)</h2>
            <p>Items that were given up, each kept with its reason. <code>queuectl dead list</code> shows them,
            <code>queuectl dead requeue</code> sends them out again.</p>\(deadLetterFiles)</section>
            """
    }

    private var queues: HTML {
        var table = PageTable([
            "Queue", "Group", "Site", "#Ready", "#Delayed", "#In flight", "#Dead", "#In/s", "#Out/s", "",
        ])
        for row in queueRows {
            table.add([
                .text(row["queue"]), .text(row["group"]), .text(row["site"]), .count(row["ready"]),
                .count(row["delayed"]), .count(row["claimed"]), .count(row["dead"]), .rate(row["rate_in"]),
                .rate(row["rate_out"]), note(row),
            ])
        }
        return table.section("Queues", note: "", none: "No queue has seen an item yet.")
    }

    private func note(_ row: JSONValue) -> PageTable.Cell {
        if row["paused"]?.bool == true { return .pill("paused", "warn") }
        return row["held_until"]?.string == nil ? .empty : .pill("held", "warn")
    }

    private var blocks: HTML {
        let rows = snapshot.status["blocks"]?.array ?? []
        guard !rows.isEmpty else { return "" }
        var table = PageTable(["Pattern", "Site", "Since"])
        for row in rows {
            table.add([
                .long(row["pattern"]), .text(row["site"]?.string == nil ? .string("all") : row["site"]),
                .moment(row["since"], now: now),
            ])
        }
        return table.section("Blocked targets", note: "queuectl target PATTERN unblock", none: "")
    }

    private var lanes: HTML {
        guard !laneRows.isEmpty else { return "" }
        var table = PageTable(["Target", "Site", "Queue", "Circuit", "#Waiting", "#At once", "Next attempt", "Reason"])
        for row in laneRows.prefix(Self.mostLanes) {
            let state = row["state"]?.string ?? "?"
            table.add([
                .long(row["target"]), .text(row["site"]), .text(row["queue"]),
                .pill(state, ["open", "blocked"].contains(state) ? "bad" : "warn"), .count(row["waiting"]),
                .count(row["concurrency"]),
                .upcoming(row["next_attempt"], now: now), .long(row["reason"]),
            ])
        }
        let more = lanesTotal - Self.mostLanes
        return table.section(
            "Lanes that back off",
            note: more > 0 ? "\(Figures.count(Int64(more))) more: queuectl status" : "their items wait, none is lost",
            none: ""
        )
    }

    private var plugins: HTML {
        var table = PageTable(["File", "State", "Id", "Version", "Queues", "#Generation", "#Workers"])
        for plugin in snapshot.plugins {
            let state = plugin["state"]?.string ?? "?"
            let look = state == "loaded" ? "good" : state == "disabled" ? "" : "bad"
            let reason = plugin["reason"]?.string
            table.add(
                [
                    .text(plugin["file"]), .pill(state, look), .text(plugin["id"]), .text(plugin["version"]),
                    .words(plugin["queues"]), .number(plugin["generation"]), .number(plugin["workers"]),
                ],
                note: reason,
                isAlarm: state != "disabled"
            )
        }
        return table.section("Plugins", note: "", none: "plugins.d holds no .so file.")
    }

    private var sites: HTML {
        var table = PageTable(["Site", "Server", "Plugins"])
        for site in snapshot.sites {
            table.add(
                [.text(site["nickname"]), .text(site["server"]), .words(site["plugins"])],
                note: site["error"]?.string
            )
        }
        return table.section("Sites", note: "", none: "sites.d holds no site.")
    }

    private var processes: HTML {
        var table = PageTable(["Role", "Plugin", "Version", "Group", "#Generation", "#Pid", "#Memory", "#In flight"])
        for row in snapshot.status["processes"]?.array ?? [] {
            table.add([
                .text(row["role"]), .text(row["plugin"]), .text(row["version"]), .text(row["group"]),
                .number(row["generation"]),
                .number(row["pid"]), .bytes(row["rss_bytes"]), .count(row["in_flight"]),
            ])
        }
        return table.section("Processes", note: "", none: "None runs.")
    }
}
