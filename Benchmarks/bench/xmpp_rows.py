# SPDX-License-Identifier: Apache-2.0
"""The rows about XMPP: hostd and slixmpp as components of one prosody, which sends on to a component that only counts.

A message counts as sent when the server has acknowledged it. For all three senders that is the answer to a ping to
themselves behind the messages; for hostd besides that its item has been settled, on disk.
"""

import json, os, re, subprocess, time

from .measure import AUTHOR, Result, until
from .processes import ROOT, BenchError, cpu_seconds, peak_mib, wait_for
from .services import fresh_folder, notice
from .xmpp import CONTACTS, Contacts, CountingServer, Prosody, RawComponent, Slixmpp, XMPPHostd

BODY = "A notice of ordinary length, as people write them. " * 2
WARM = "http://bench.example/user/warm"
RAW, PEER = "raw.example", "slixmpp.example"


def xmpp_plugins():
    """A folder with xmppout alone: the other rows' hostd has no worker for it."""
    folder = fresh_folder("plugins-xmpp.d")
    path = f"{ROOT}/plugins.d/xmppout.so"
    subprocess.run(["install", "-m", "755", path, folder], check=True)
    return folder


class Run:
    """One sender's turn: messages a second, and the CPU that sender and server took for it."""

    def __init__(self, prosody, contacts, pids, total, send, acknowledged=None):
        senders, server, base = cpu_seconds(pids), prosody.cpu(), contacts.count()
        started = time.monotonic()
        send()
        until(contacts.count, base + total, 300, f"{total} messages at the contacts")
        self.arrived = total / (time.monotonic() - started)
        if acknowledged:
            wait_for(acknowledged, 60, "the last item settled")
        seconds = time.monotonic() - started
        self.rate = total / seconds
        self.server_share = (prosody.cpu() - server) / seconds
        self.cpu_per_1000 = (cpu_seconds(pids) - senders) * 1000 / total
        if contacts.count() != base + total:
            raise BenchError(f"{contacts.count() - base} messages came of {total}")

    def __str__(self):
        return f"{self.rate:,.0f}/s (server {self.server_share:.0%} of a core)"


def blast(prosody, contacts, raw, sample, total):
    """`total` copies of a message by bare sockets: what the server takes at most of just this."""
    sample = re.sub(rb"\bfrom=(['\"])[^'\"]*\1", b"from='update@" + RAW.encode() + b"'", sample, count=1)
    text = b"".join(re.sub(rb"\bto=(['\"])[^'\"]*\1", b"to='u%d@%s'" % (n, CONTACTS.encode()), sample, count=1)
                    for n in range(total))
    return Run(prosody, contacts, [], total, lambda: raw.blast(text))


def best(runs):
    return max(runs, key=lambda run: run.rate)


def rates(runs):
    return [round(run.rate) for run in runs]


def profile(bench, hostd, server, act):
    if bench.profile:
        from .profile import record

        roles = {"xmpp-worker": [hostd.sender()], "xmpp-broker": hostd.pids("broker")}
        if isinstance(server, Prosody):
            roles["prosody"] = [server.pid]
        for path in record(roles, act):
            bench.say(f"  profile: {os.path.relpath(path)}")


def stanzas(bench):
    """Plain messages to as many contacts, waiting on disk when the clock starts; slixmpp sends the same from memory."""
    total = bench.size(20_000, 2_000)
    ours, theirs, raws = [], [], []
    domains = (XMPPHostd.domain("bench"), PEER, RAW, CONTACTS)
    with (
        Prosody(domains) as prosody,
        Contacts(prosody) as contacts,
        Slixmpp(prosody, PEER) as peer,
        RawComponent(prosody, RAW) as raw,
        XMPPHostd(xmpp_plugins(), prosody, ("bench",)) as hostd,
    ):
        frames, sender = f"{hostd.folder}/frames.jsonl", hostd.sender()
        with open(frames, "w") as file:
            file.writelines(json.dumps({"to": f"u{n}@{CONTACTS}", "body": BODY}) + "\n" for n in range(total))
        wait_for(lambda: hostd.connected() == 1, 30, "hostd's stream")

        def ours_once():
            hostd.queuectl("pause", "xmppout")
            hostd.queuectl("enqueue", "-s", "bench", "--jsonl", "xmppconfirm", frames)
            wait_for(lambda: hostd.items("xmppout", "ready") == total, 120, "the messages on disk", 0.1)
            go = lambda: hostd.control("resume", queue="xmppout")
            return Run(prosody, contacts, [sender], total, go, hostd.queue_is_empty)

        for _ in range(bench.repetitions):
            ours.append(ours_once())
            sample = contacts.take_sample()
            theirs.append(Run(prosody, contacts, [peer.pid], total, lambda: peer.send(total, BODY)))
            contacts.take_sample()
            raws.append(blast(prosody, contacts, raw, sample, total))
            contacts.take_sample()
            bench.say(f"  hostd {ours[-1]}, slixmpp {theirs[-1]}, bare sockets {raws[-1]}")
        resident = peak_mib(sender)
        profile(bench, hostd, prosody, ours_once)
    us, them, limit = best(ours), best(theirs), best(raws)
    notes = {
        "runs": rates(ours),
        "peer_runs": rates(theirs),
        "prosody_limit": round(limit.rate),
        "prosody_limit_runs": rates(raws),
        "prosody_core_share": {
            "hostd": round(us.server_share, 2),
            "slixmpp": round(them.server_share, 2),
            "bare_sockets": round(limit.server_share, 2),
        },
        "peak_rss_mib": round(resident, 1),
        "bytes_each": len(sample),
    }
    return [
        Result("stanzas to prosody, acknowledged", "/s", us.rate, 2 * them.rate, them.rate, "slixmpp", notes=notes),
        # Bare sockets and prebuilt text: what prosody takes at most. Near it no client can do better.
        Result("share of prosody's own limit", "", us.rate / limit.rate, 0.9, them.rate / limit.rate, "slixmpp"),
        Result(
            "worker CPU for 1,000 stanzas",
            "s",
            us.cpu_per_1000,
            them.cpu_per_1000,
            them.cpu_per_1000,
            "slixmpp",
            True,
        ),
    ]


def jabber(bench):
    """One notice on the queue `notice` to 10,000 contacts: text, XHTML and Atom entry, in two durable stages."""
    total = bench.size(10_000, 2_000)
    domains = (XMPPHostd.domain("bench"), RAW, CONTACTS)
    with CountingServer() as server:
        ours, notes, sample = notices(bench, server, server, total)
    with Prosody(domains) as prosody, Contacts(prosody) as contacts, RawComponent(prosody, RAW) as raw:
        limits = [blast(prosody, contacts, raw, sample, total) for _ in range(bench.repetitions)]
        contacts.take_sample()
        there, notes["to_prosody"], _ = notices(bench, prosody, contacts, total)
    bench.say(f"  to prosody: hostd {best(there)}, bare sockets {best(limits)}")
    notes |= {"bytes_each": len(sample), "prosody_limit_runs": rates(limits)}
    return [
        Result(f"jabber: 1 to {total:,} contacts, to a server that counts", "/s", best(ours).rate, 8_000, notes=notes),
        Result(
            "the same to prosody, acknowledged",
            "/s",
            best(there).rate,
            min(8_000, 0.9 * best(limits).rate),
            best(limits).rate,
            "bare sockets",
        ),
    ]


def notices(bench, server, contacts, total):
    """Runs, notes and a message of a fan-out to `total` contacts of this server."""
    runs = []
    with XMPPHostd(xmpp_plugins(), server, ("bench",)) as hostd:
        hostd.import_recipients(
            (contact(author, n) for author, count in ((AUTHOR, total), (WARM, 200)) for n in range(count)),
            plugin="xmppout",
        )
        wait_for(lambda: hostd.connected() == 1, 30, "hostd's stream")
        sender, brokers, turns = hostd.sender(), hostd.pids("broker"), iter(range(1, 100))

        def once(author=AUTHOR, count=total):
            send = lambda: hostd.stomp.send("notice", notice(next(turns), author), "bench")
            return Run(server, contacts, [sender], count, send, hostd.queue_is_empty)

        once(WARM, 200)
        contacts.take_sample()
        broker = cpu_seconds(brokers)
        for _ in range(bench.repetitions):
            runs.append(once())
            bench.say(f"  hostd {runs[-1]}, till the last arrived {runs[-1].arrived:,.0f}/s")
        notes = {
            "runs": rates(runs),
            "until_the_last_arrived": [round(run.arrived) for run in runs],
            "server_core_share": round(best(runs).server_share, 2),
            "worker_cpu_s_per_1000": round(best(runs).cpu_per_1000, 3),
            "broker_cpu_s_per_1000": round((cpu_seconds(brokers) - broker) * 1000 / total / len(runs), 3),
            "peak_rss_mib": round(peak_mib(sender), 1),
        }
        sample = contacts.take_sample()
        profile(bench, hostd, server, once)
    return runs, notes, sample


def contact(author, number):
    row = {"plugin": "xmppout", "author": author, "target": f"u{number}@{CONTACTS}"}
    return json.dumps(row) + "\n"


def xmppsites(bench):
    """1,000 sites, each a component of one server: until all are up, and what their worker takes."""
    count = bench.size(1_000, 50)
    sites = tuple(f"site{number}" for number in range(count))
    times, residents, curve = [], [], {}
    for _ in range(bench.repetitions):
        with Prosody([XMPPHostd.domain(site) for site in sites]) as prosody:
            hostd = XMPPHostd(xmpp_plugins(), prosody, sites)
            started = time.monotonic()
            hostd.launch()
            try:
                # By the server's word, which is cheaper to ask for.
                hostd.child.wait_until(lambda: prosody.components_seen() >= count, 120)
                times.append(time.monotonic() - started)
                hostd.child.wait_until(lambda: hostd.connected() == count, 30)
                sender = hostd.sender()
                residents.append(peak_mib(sender))
                if prosody.components_seen() != count:
                    raise BenchError(f"{prosody.components_seen()} logins for {count} sites")
                curve = {role: round(hostd.peak(role), 1) for role in ("broker", "supervisor")}
                cpu = cpu_seconds([sender])
            finally:
                hostd.stop()
        bench.say(f"  all up after {times[-1]:.2f} s, worker {residents[-1]:.1f} MiB, {cpu:.2f} s CPU")
    notes = {"runs_s": [round(t, 2) for t in times], "runs_mib": [round(r, 1) for r in residents], "peak_mib": curve}
    return [
        Result(f"{count:,} XMPP sites: start until all are up", "s", max(times), 10, lower_is_better=True, notes=notes),
        Result(f"{count:,} XMPP sites: peak RSS of their worker", "MiB", max(residents), 128, lower_is_better=True),
    ]
