# SPDX-License-Identifier: Apache-2.0
"""The rows: what is measured, against whom, and what counts as done. Each returns a Result, or several.

The clock of a fan-out runs from the producer's SEND (for the peer: from the moment its job is in the queue) until the sink
has answered the last POST. Where a row is repeated, hostd and peer take turns and the best of each counts.
"""
import dataclasses, os, subprocess, time

from .processes import BenchError, cpu_seconds, free_port, wait_for
from .services import Hostd, Nginx, Sidekiq, Sink, notice, recipient

AUTHOR = "http://bench.example/user/7"


@dataclasses.dataclass
class Result:
    what: str
    unit: str
    value: float
    reach: float
    peer: float | None = None
    peer_name: str = ""
    lower_is_better: bool = False
    notes: dict = dataclasses.field(default_factory=dict)

    @property
    def ratio(self):
        """How many times better than the peer in the same run."""
        if not self.peer or not self.value:
            return None
        return self.peer / self.value if self.lower_is_better else self.value / self.peer

    @property
    def reached(self):
        return self.value <= self.reach if self.lower_is_better else self.value >= self.reach


class Bench:
    """What all rows share: the tools, the plugins, the sizes."""

    def __init__(self, binaries, plugins, quick, rabbitmq, say):
        self.binaries, self.plugins, self.quick, self.rabbitmq, self.say = binaries, plugins, quick, rabbitmq, say
        self.repetitions = 1 if quick else 3

    def size(self, full, quick):
        return quick if self.quick else full


def until(count, target, seconds, what):
    """Waits until count() reaches target; returns when that was seen."""
    wait_for(lambda: count() >= target, seconds, what, 0.01)
    return time.monotonic()


def fan_out_hostd(hostd, sink_count, total, send, seconds=120):
    """(rate, worker CPU, broker CPU for 1,000 deliveries)"""
    workers, brokers = hostd.pids("worker"), hostd.pids("broker")
    before, base = (cpu_seconds(workers), cpu_seconds(brokers)), sink_count()
    started = time.monotonic()
    send()
    elapsed = until(sink_count, base + total, seconds, f"hostd: {total} deliveries") - started
    time.sleep(0.3)  # the last answers are being settled: their CPU counts too
    after = (cpu_seconds(workers), cpu_seconds(brokers))
    return total / elapsed, *((b - a) * 1000 / total for a, b in zip(before, after))


def fan_out_sidekiq(peer, sink_count, total, job, seconds=120):
    peer.stage([job])
    before, base = peer.cpu(), sink_count()
    started = time.monotonic()
    peer.go()
    elapsed = until(sink_count, base + total, seconds, f"Sidekiq: {total} deliveries") - started
    time.sleep(0.3)
    return total / elapsed, (peer.cpu() - before) * 1000 / total


def fanout(bench):
    """1 to 10,000 through the OMB plugin, every delivery signed; and the same by the C plugin, unsigned."""
    total = bench.size(10_000, 2_000)
    with Nginx() as sink, Sidekiq(25, sink.port) as peer, Hostd(bench.plugins) as hostd:
        hostd.import_recipients(
            [recipient("http://bench.example/user/warm", sink.port, "/warm", n) for n in range(200)]
            + [recipient(AUTHOR, sink.port, "/omb", n) for n in range(total)])
        fan_out_hostd(hostd, sink.count, 200, lambda: hostd.stomp.send("notice", notice(1, "http://bench.example/user/warm"), "bench"))
        fan_out_sidekiq(peer, sink.count, 200, peer.job("FanOut", 200))
        signed, plain, theirs = [], [], []
        for turn in range(bench.repetitions):
            signed.append(fan_out_hostd(
                hostd, sink.count, total, lambda: hostd.stomp.send("notice", notice(10 + turn, AUTHOR), "bench")))
            hostd.settle("ombout")
            theirs.append(fan_out_sidekiq(peer, sink.count, total, peer.job("FanOut", total)))
            plain.append(fan_out_hostd(
                hostd, sink.count, total,
                lambda: hostd.stomp.send("bench", f"{total} {sink.port} 0 /plain{turn}", "bench")))
            hostd.settle("benchout")
            bench.say(f"  turn {turn + 1}: signed {signed[-1][0]:,.0f}/s, unsigned {plain[-1][0]:,.0f}/s, Sidekiq {theirs[-1][0]:,.0f}/s")
        limit = wrk_limit(bench, sink)
    best, peer_best, best_plain = max(signed), max(theirs), max(plain)
    notes = {"runs": [round(r[0]) for r in signed], "peer_runs": [round(r[0]) for r in theirs],
             "unsigned_by_C_plugin": round(best_plain[0]), "wrk_limit": round(limit), "broker_cpu_s_per_1000": round(best[2], 3)}
    return [
        Result(f"fan-out 1 to {total:,} POSTs", "/s", best[0], 10_000, peer_best[0], "Sidekiq", notes=notes),
        Result("worker CPU for 1,000 deliveries", "s", min(r[1] for r in signed), 0.10, min(r[1] for r in theirs), "Sidekiq",
               True, {"unsigned_by_C_plugin": round(min(r[1] for r in plain), 3)}),
    ]


def wrk_limit(bench, sink):
    """What the sink takes at most on this machine: wrk, one thread, 25 connections."""
    script = os.path.join(bench.binaries, "post.lua")
    with open(script, "w") as file:
        file.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
                   'wrk.body = "feed=" .. string.rep("x", 595)\n')
    done = subprocess.run(["wrk", "-t1", "-c25", "-d2s", "-s", script, f"http://127.0.0.1:{sink.port}/wrk"],
                          capture_output=True, text=True, check=True)
    return next(float(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith("Requests/sec"))


def enqueue_tool(bench, port, count, size, destination, *headers):
    """Seconds for so many pipelined SENDs, until the RECEIPT of the last."""
    done = subprocess.run([f"{bench.binaries}/enqueue", str(port), str(count), str(size), destination, *headers],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"enqueue: {done.stderr.strip()}")
    return float(done.stdout.split()[1])


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
    return [Result("no-op items through the queue", "/s", max(ours_rates), 30_000, max(peer_rates), "Sidekiq",
                   notes={"runs": [round(r) for r in ours_rates], "peer_runs": [round(r) for r in peer_rates]})]


def enqueue(bench):
    """Persistent SENDs of 600 bytes on one connection, pipelined: all on disk when the clock stops."""
    total = bench.size(100_000, 20_000)
    rates, peer_rate = [], None
    with Hostd(bench.plugins) as hostd:
        hostd.queuectl("pause", "noop")
        for _ in range(bench.repetitions):
            rates.append(total / enqueue_tool(
                bench, hostd.stomp_port, total, 600, "/queue/statusnet/main", "site:bench", "queue:noop"))
            bench.say(f"  hostd {rates[-1]:,.0f}/s")
        hostd.stop(kill=True)  # nobody waits for those items
    if bench.rabbitmq:
        from .rabbitmq import RabbitMQ

        with RabbitMQ() as broker:
            peer_rate = max(total / enqueue_tool(bench, broker.port, total, 600, "/queue/bench", "login=guest", "passcode=guest")
                            for _ in range(bench.repetitions))
    return [Result("enqueue over STOMP, persistent, pipelined", "/s", max(rates), 40_000, peer_rate,
                   "RabbitMQ" if peer_rate else "", notes={"runs": [round(r) for r in rates]})]


def slow(bench):
    """A sink that takes 100 ms to answer, no setting changed."""
    total = bench.size(2_000, 500)
    ours, theirs = [], None
    with Sink(bench.binaries, "delay", 100) as sink:
        with Hostd(bench.plugins) as hostd:
            for turn in range(bench.repetitions):
                ours.append(fan_out_hostd(hostd, sink.count, total, lambda: hostd.stomp.send(
                    "bench", f"{total} {sink.port} 0 /slow{turn}", "bench"))[0])
                hostd.settle("benchout")
                bench.say(f"  hostd {ours[-1]:,.0f}/s")
        with Sidekiq(50, sink.port) as peer:
            theirs = fan_out_sidekiq(peer, sink.count, total, peer.job("FanOut", total))[0]
    return [Result(f"1 to {total:,}, sink takes 100 ms", "/s", max(ours), 4_000, theirs, "Sidekiq, 50 threads",
                   notes={"runs": [round(r) for r in ours]})]


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
                        theirs[hung].append((until(sink.count, base + healthy, 120, "healthy hosts") - started) / healthy)
        bench.say(f"  {hung} hanging: hostd {min(ours[hung]) * healthy:.2f} s, Sidekiq {min(theirs[hung]) * healthy:.2f} s")
    return [Result("1 % of 1,000 hosts hang: slow-down of the rest", "times", min(ours[bad]) / min(ours[0]), 1.05,
                   min(theirs[bad]) / min(theirs[0]), "Sidekiq", True,
                   {"ms_each_healthy_0_hanging": [round(v * 1000, 4) for v in ours[0]],
                    "ms_each_healthy_10_hanging": [round(v * 1000, 4) for v in ours[bad]]})]
