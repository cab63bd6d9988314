# SPDX-License-Identifier: Apache-2.0
"""What the rows share: a result, the sizes, and how long a fan-out takes.

The clock of a fan-out runs from the producer's SEND (for the peer: from the moment its job is in the queue) until the
sink has answered the last POST.
"""

import dataclasses, os, subprocess, time

from .processes import BenchError, cpu_seconds, wait_for

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

    def __init__(self, binaries, plugins, say, quick=False, rabbitmq=False, profile=False):
        self.binaries, self.plugins, self.say = binaries, plugins, say
        self.quick, self.rabbitmq, self.profile = quick, rabbitmq, profile
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


def wrk_limit(bench, sink):
    """What the sink takes at most on this machine: wrk, one thread, 25 connections."""
    script = os.path.join(bench.binaries, "post.lua")
    with open(script, "w") as file:
        file.write(
            'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
            'wrk.body = "feed=" .. string.rep("x", 595)\n'
        )
    done = subprocess.run(
        ["wrk", "-t1", "-c25", "-d2s", "-s", script, f"http://127.0.0.1:{sink.port}/wrk"],
        capture_output=True,
        text=True,
        check=True,
    )
    return next(float(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith("Requests/sec"))


def enqueue_tool(bench, port, count, size, destination, *headers):
    """Seconds for so many pipelined SENDs, until the RECEIPT of the last."""
    done = subprocess.run(
        [f"{bench.binaries}/enqueue", str(port), str(count), str(size), destination, *headers],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BenchError(f"enqueue: {done.stderr.strip()}")
    return float(done.stdout.split()[1])
