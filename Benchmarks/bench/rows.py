# SPDX-License-Identifier: Apache-2.0
"""The rows about rates: what is measured, against whom, and what counts as done. Each returns its Results.

Where a row is repeated, hostd and peer take turns and the best of each counts.
"""

import os, time

from .measure import AUTHOR, Result, enqueue_tool, fan_out_hostd, fan_out_sidekiq, until, wrk_limit
from .processes import wait_for
from .services import Hostd, Nginx, Sidekiq, Sink, notice, recipient


def fanout(bench):
    """1 to 10,000 through the OMB plugin, every delivery signed; and the same by the C plugin, unsigned."""
    total = bench.size(10_000, 2_000)
    with Nginx() as sink, Sidekiq(25, sink.port) as peer, Hostd(bench.plugins) as hostd:
        hostd.import_recipients(
            [recipient("http://bench.example/user/warm", sink.port, "/warm", n) for n in range(200)]
            + [recipient(AUTHOR, sink.port, "/omb", n) for n in range(total)]
        )
        fan_out_hostd(
            hostd,
            sink.count,
            200,
            lambda: hostd.stomp.send("notice", notice(1, "http://bench.example/user/warm"), "bench"),
        )
        fan_out_sidekiq(peer, sink.count, 200, peer.job("FanOut", 200))
        signed, plain, theirs = [], [], []
        for turn in range(bench.repetitions):
            signed.append(
                fan_out_hostd(
                    hostd, sink.count, total, lambda: hostd.stomp.send("notice", notice(10 + turn, AUTHOR), "bench")
                )
            )
            hostd.settle("ombout")
            theirs.append(fan_out_sidekiq(peer, sink.count, total, peer.job("FanOut", total)))
            plain.append(
                fan_out_hostd(
                    hostd,
                    sink.count,
                    total,
                    lambda: hostd.stomp.send("bench", f"{total} {sink.port} 0 /plain{turn}", "bench"),
                )
            )
            hostd.settle("benchout")
            bench.say(
                f"  turn {turn + 1}: signed {signed[-1][0]:,.0f}/s, unsigned {plain[-1][0]:,.0f}/s, "
                f"Sidekiq {theirs[-1][0]:,.0f}/s"
            )
        limit = wrk_limit(bench, sink)
        if bench.profile:
            from .profile import record

            for path in record(
                {role: hostd.pids(role) for role in ("worker", "broker")},
                lambda: fan_out_hostd(
                    hostd, sink.count, total, lambda: hostd.stomp.send("notice", notice(99, AUTHOR), "bench")
                ),
            ):
                bench.say(f"  profile: {os.path.relpath(path)}")
    best, peer_best, best_plain = max(signed), max(theirs), max(plain)
    notes = {
        "runs": [round(r[0]) for r in signed],
        "peer_runs": [round(r[0]) for r in theirs],
        "unsigned_by_C_plugin": round(best_plain[0]),
        "wrk_limit": round(limit),
        "broker_cpu_s_per_1000": round(best[2], 3),
    }
    return [
        Result(f"fan-out 1 to {total:,} POSTs", "/s", best[0], 10_000, peer_best[0], "Sidekiq", notes=notes),
        Result(
            "worker CPU for 1,000 deliveries",
            "s",
            min(r[1] for r in signed),
            0.10,
            min(r[1] for r in theirs),
            "Sidekiq",
            True,
            {"unsigned_by_C_plugin": round(min(r[1] for r in plain), 3)},
        ),
    ]


def noop(bench):
    """Items that do nothing, waiting on disk when the clock starts; it stops when the last is settled."""
    total, theirs = bench.size(100_000, 20_000), bench.size(20_000, 5_000)
    ours_rates, peer_rates = [], []
    with Nginx() as sink, Sidekiq(10, sink.port) as peer, Hostd(bench.plugins) as hostd:
        for _ in range(bench.repetitions):
            hostd.queuectl("pause", "noop")
            enqueue_tool(bench, hostd.stomp_port, total, 100, "/queue/statusnet/main", "site:bench", "queue:noop")
            started = time.monotonic()
            hostd.queuectl("resume", "noop")
            wait_for(lambda: hostd.items("noop", "ready", "claimed", "delayed") == 0, 120, "no-op items done")
            ours_rates.append(total / (time.monotonic() - started))
            peer.stage([peer.job("Noop", n) for n in range(theirs)])
            started = time.monotonic()
            peer.go()
            wait_for(lambda: peer.waiting() == 0, 120, "no-op jobs done")
            peer_rates.append(theirs / (time.monotonic() - started))
            bench.say(f"  hostd {ours_rates[-1]:,.0f}/s, Sidekiq {peer_rates[-1]:,.0f}/s")
    return [
        Result(
            "no-op items through the queue",
            "/s",
            max(ours_rates),
            30_000,
            max(peer_rates),
            "Sidekiq",
            notes={"runs": [round(r) for r in ours_rates], "peer_runs": [round(r) for r in peer_rates]},
        )
    ]


def enqueue(bench):
    """Persistent SENDs of 600 bytes on one connection, pipelined: all on disk when the clock stops."""
    total = bench.size(100_000, 20_000)
    rates, peer_rate = [], None
    with Hostd(bench.plugins) as hostd:
        hostd.queuectl("pause", "noop")
        for _ in range(bench.repetitions):
            rates.append(
                total
                / enqueue_tool(bench, hostd.stomp_port, total, 600, "/queue/statusnet/main", "site:bench", "queue:noop")
            )
            bench.say(f"  hostd {rates[-1]:,.0f}/s")
        hostd.stop(kill=True)  # nobody waits for those items
    if bench.rabbitmq:
        from .rabbitmq import RabbitMQ

        with RabbitMQ() as broker:
            peer_rate = max(
                total / enqueue_tool(bench, broker.port, total, 600, "/queue/bench", "login=guest", "passcode=guest")
                for _ in range(bench.repetitions)
            )
    return [
        Result(
            "enqueue over STOMP, persistent, pipelined",
            "/s",
            max(rates),
            40_000,
            peer_rate,
            "RabbitMQ" if peer_rate else "",
            notes={"runs": [round(r) for r in rates]},
        )
    ]


def slow(bench):
    """A sink that takes 100 ms to answer, no setting changed."""
    total = bench.size(2_000, 500)
    ours, theirs = [], None
    with Sink(bench.binaries, "delay", 100) as sink:
        with Hostd(bench.plugins) as hostd:
            for turn in range(bench.repetitions):
                ours.append(
                    fan_out_hostd(
                        hostd,
                        sink.count,
                        total,
                        lambda: hostd.stomp.send("bench", f"{total} {sink.port} 0 /slow{turn}", "bench"),
                    )[0]
                )
                hostd.settle("benchout")
                bench.say(f"  hostd {ours[-1]:,.0f}/s")
        with Sidekiq(50, sink.port) as peer:
            theirs = fan_out_sidekiq(peer, sink.count, total, peer.job("FanOut", total))[0]
    return [
        Result(
            f"1 to {total:,}, sink takes 100 ms",
            "/s",
            max(ours),
            4_000,
            theirs,
            "Sidekiq, 50 threads",
            notes={"runs": [round(r) for r in ours]},
        )
    ]


def hanging(bench):
    """5,000 POSTs to 1,000 hosts, of which 0 or 10 hang for 10 s: how much longer the healthy ones take."""
    total, hosts, bad = 5_000, 1_000, 10
    ours, theirs = {}, {}
    for hung in (0, bad):
        healthy = total - hung * total // hosts
        ours[hung], theirs[hung] = [], []
        for turn in range(bench.repetitions):
            with Sink(bench.binaries, "hang", hung, 10) as sink:
                with Hostd(bench.plugins) as hostd:
                    started = time.monotonic()
                    hostd.stomp.send("bench", f"{total} {sink.port} {hosts} /h", "bench")
                    ours[hung].append((until(sink.count, healthy, 120, "healthy hosts") - started) / healthy)
                    hostd.stop(kill=True)
                if turn == 0:
                    with Sidekiq(25, sink.port) as peer:
                        base = sink.count()
                        peer.stage([peer.job("FanOutTo", total, hosts)])
                        started = time.monotonic()
                        peer.go()
                        theirs[hung].append(
                            (until(sink.count, base + healthy, 120, "healthy hosts") - started) / healthy
                        )
        bench.say(
            f"  {hung} hanging: hostd {min(ours[hung]) * healthy:.2f} s, Sidekiq {min(theirs[hung]) * healthy:.2f} s"
        )
    return [
        Result(
            "1 % of 1,000 hosts hang: slow-down of the rest",
            "times",
            min(ours[bad]) / min(ours[0]),
            1.05,
            min(theirs[bad]) / min(theirs[0]),
            "Sidekiq",
            True,
            {
                "ms_each_healthy_0_hanging": [round(v * 1000, 4) for v in ours[0]],
                "ms_each_healthy_10_hanging": [round(v * 1000, 4) for v in ours[bad]],
            },
        )
    ]
