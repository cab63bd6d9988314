# SPDX-License-Identifier: Apache-2.0
"""The rows about time: how soon a target hears of something, when all is idle, when much is waiting, after a start."""

import os, socket, subprocess, threading, time

from .processes import BenchError, free_port, wait_for
from .measure import AUTHOR, Result, until
from .services import Hostd, Nginx, Sidekiq, Sink, notice, recipient


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def measure(bench, port, http_port, count, pause_ms, body, destination, *headers):
    """Milliseconds from SEND to the request at the target, for each of `count` frames (tools/latency.c)."""
    path = os.path.join(bench.binaries, "frame")
    with open(path, "w") as file:
        file.write(body)
    done = subprocess.run(
        [
            f"{bench.binaries}/latency",
            str(port),
            str(http_port),
            str(count),
            str(pause_ms),
            path,
            destination,
            *headers,
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BenchError(f"latency: {done.stderr.strip()}")
    words = [line.split()[1] for line in done.stdout.splitlines()]
    if "lost" in words:
        raise BenchError(f"latency: {words.count('lost')} of {count} frames caused no request within 30 s")
    return [float(word) for word in words]


def idle(bench):
    """One at a time: a notice through `notice`, omb and ombout; one item straight to stage 2; one job of the peer."""
    count, main, warm = bench.size(500, 100), "/queue/statusnet/main", 20
    target, single_target, peer_target = free_port(), free_port(), free_port()
    with Hostd(bench.plugins) as hostd:
        hostd.import_recipients([recipient(AUTHOR, target, "/omb", 1)])
        frame = notice(0, AUTHOR, "seq-@N@-").replace('"id": 0', '"id": @N@')
        notices = measure(bench, hostd.stomp_port, target, warm + count, 20, frame, main, "site:bench", "queue:notice")[
            warm:
        ]
        single = measure(
            bench,
            hostd.stomp_port,
            single_target,
            warm + count,
            20,
            f"http://127.0.0.1:{single_target}/seq-@N@-",
            main,
            "site:bench",
            "queue:benchout",
        )[warm:]
    with Sidekiq(25, peer_target) as peer:
        theirs = measure(
            bench,
            peer.redis_port,
            peer_target,
            warm + count,
            20,
            peer.job("Deliver", "seq-@N@-"),
            "redis:queue:default",
        )[warm:]
    notes = {"single_hop_p50": round(percentile(single, 0.5), 2), "single_hop_p99": round(percentile(single, 0.99), 2)}
    return [
        Result(
            "idle: enqueue to request at the target, p50",
            "ms",
            percentile(notices, 0.5),
            1.5,
            percentile(theirs, 0.5),
            "Sidekiq, one hop",
            True,
            notes,
        ),
        Result(
            "idle: enqueue to request at the target, p99",
            "ms",
            percentile(notices, 0.99),
            5,
            percentile(theirs, 0.99),
            "Sidekiq, one hop",
            True,
        ),
    ]


def million(bench):
    """One notice to a million subscribers, signed: memory, and whether the end is as fast as the beginning."""
    total = bench.size(1_000_000, 50_000)
    with Nginx() as sink, Hostd(bench.plugins) as hostd:
        bench.say(f"  importing {total:,} recipients")
        started = time.monotonic()
        hostd.import_recipients(recipient(AUTHOR, sink.port, "/omb", n) for n in range(total))
        bench.say(f"  imported in {time.monotonic() - started:.1f} s")
        marks, base = [], sink.count()
        started = time.monotonic()
        hostd.stomp.send("notice", notice(1, AUTHOR), "bench")
        for tenth in range(1, 11):
            marks.append(until(sink.count, base + total * tenth // 10, 900, f"tenth {tenth}") - started)
            bench.say(f"  {tenth * 10:3} % after {marks[-1]:.1f} s")
        worker, broker = hostd.peak("worker"), hostd.peak("broker")
    first, last = marks[0], marks[9] - marks[8]
    return [
        Result(f"fan-out to {total:,}: peak RSS, worker", "MiB", worker, 96, lower_is_better=True),
        Result(
            f"fan-out to {total:,}: peak RSS, broker",
            "MiB",
            broker,
            128,
            lower_is_better=True,
            notes={"rate": round(total / marks[9]), "seconds_at_each_tenth": [round(m, 1) for m in marks]},
        ),
        Result(f"fan-out to {total:,}: rate of the last tenth to the first", "", first / last, 0.9),
    ]


def fresh(bench):
    """Fresh notices while a million bulk items and thousands of retries wait, of the same site and of others."""
    backlog, failing, count = bench.size(1_000_000, 50_000), bench.size(4_000, 500), bench.size(200, 50)
    main, found = "/queue/statusnet/main", {}
    with Nginx() as bulk, Sink(bench.binaries, "fail", "/fail") as sick, Hostd(bench.plugins) as hostd:
        for site in ("bench", "other"):
            hostd.stomp.send("bench", f"{failing // 2} {sick.port} 0 /fail-{site}", site)
        until(sick.failures, failing, 60, "first attempts of the failing targets")
        hostd.queuectl("pause", "benchout")
        for site in ("bench", "other"):
            hostd.stomp.send("bench", f"{backlog // 2} {bulk.port} 0 /bulk-{site}", site)
        bench.say("  staging the backlog")
        wait_for(lambda: hostd.items("benchout", "ready") >= backlog, 600, "the backlog", 0.5)
        hostd.queuectl("resume", "benchout")
        time.sleep(1)
        for site in ("bench", "quiet"):
            target = free_port()
            found[site] = measure(
                bench,
                hostd.stomp_port,
                target,
                count,
                25,
                f"10 {target} 0 /fresh-{site}-seq-@N@-",
                main,
                f"site:{site}",
                "queue:bench",
            )
        left = hostd.items("benchout", "ready")
        hostd.stop(kill=True)
    if left == 0:
        raise BenchError("the backlog was gone before the measurement ended: take a larger one")
    every = found["bench"] + found["quiet"]
    return [
        Result(
            f"fresh notice behind {backlog:,}: p99 to its first target",
            "ms",
            percentile(every, 0.99),
            50,
            lower_is_better=True,
            notes={
                "same_site_p99": round(percentile(found["bench"], 0.99), 2),
                "quiet_site_p99": round(percentile(found["quiet"], 0.99), 2),
                "p50": round(percentile(every, 0.5), 2),
                "backlog_left": left,
            },
        )
    ]


def start(bench):
    """From exec to the first request, with an item waiting on disk."""
    times = []
    hostd = Hostd(bench.plugins)
    for _ in range(bench.size(5, 2)):
        arrived = []
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            hostd.start()
            due = time.monotonic() + 3
            hostd.stomp.send("benchout", f"http://127.0.0.1:{port}/first", "bench", delay=3000)
            hostd.stomp.close()
            hostd.stop()
            time.sleep(max(0, due + 0.1 - time.monotonic()))
            thread = threading.Thread(target=lambda: arrived.append(first_request(listener)), daemon=True)
            thread.start()
            started = time.monotonic()
            hostd.launch()
            thread.join(30)
            hostd.stop()
        if not arrived:
            raise BenchError("no delivery within 30 s of the start")
        times.append((arrived[0] - started) * 1000)
    return [
        Result(
            "start to first delivery",
            "ms",
            percentile(times, 0.5),
            500,
            lower_is_better=True,
            notes={"runs": [round(t) for t in times]},
        )
    ]


def first_request(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        arrived = time.monotonic()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        return arrived
