# SPDX-License-Identifier: Apache-2.0
"""The row about the cache: a worker's increments beside libmemcached alone, at one memcached."""

import os, re, socket, subprocess

from .measure import Result
from .processes import BenchError, Child, answers, cpu_seconds, free_port
from .services import Hostd

KEYS = 64
CONCURRENT = 256


class Memcached(Child):
    """memcached as Debian has it."""

    def __init__(self):
        self.port = free_port()
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        super().__init__("memcached", ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", *user])
        self.wait_until(lambda: answers(self.port))

    def sum(self, prefix):
        """What the counters have come to."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            keys = " ".join(f"{prefix}counter{number}" for number in range(KEYS))
            connection.sendall(f"get {keys}\r\n".encode())
            text = b""
            while not text.endswith(b"END\r\n"):
                text += connection.recv(65536)
        return sum(int(value) for value in re.findall(rb"(?m)^(\d+) *\r$", text))


class CachingHostd(Hostd):
    """hostd with one worker, whose cache is this memcached."""

    PLUGINS = ("bench",)
    SITES = ("bench",)

    def __init__(self, plugins, memcached):
        self.SETTINGS = f"workers:\n  count: 1\ncache:\n  servers: [127.0.0.1:{memcached.port}]\n"
        super().__init__(plugins, "hostd-cache")

    def count(self, total, concurrent, turn):
        """Increments a second, by the plugin's own clock."""
        self.stomp.send("count", f"{total} {concurrent} {KEYS}", "bench")

        def seconds():
            with open(self.child.log) as log:
                lines = re.findall(rf"counted {total} in ([0-9.]+) s|(the cache failed with[^\n]*)", log.read())
            if failure := next((failure for _, failure in lines if failure), None):
                raise BenchError(failure)
            return len(lines) > turn and float(lines[turn][0])

        return total / self.child.wait_until(seconds, 120)


def cache(bench):
    """Increments through hostd.cache/1 by one worker, and by libmemcached alone; both over one connection."""
    total = bench.size(200_000, 20_000)
    ours, theirs, alone_at_a_time = [], [], []
    with Memcached() as memcached, CachingHostd(bench.plugins, memcached) as hostd:
        worker = hostd.pids("worker")
        hostd.count(1_000, CONCURRENT, 0)
        expected = 1_000
        for turn in range(bench.repetitions):
            before = cpu_seconds(worker)
            ours.append(hostd.count(total, CONCURRENT, turn))
            cpu = (cpu_seconds(worker) - before) * 1000 / total
            theirs.append(libmemcached(bench, memcached, total))
            alone_at_a_time.append(hostd.count(total // 10, 1, turn))
            expected += total + total // 10
            bench.say(
                f"  hostd {ours[-1]:,.0f}/s, libmemcached {theirs[-1]:,.0f}/s, "
                f"hostd one at a time {alone_at_a_time[-1]:,.0f}/s"
            )
        found = memcached.sum("hostd:bench:bench:")
        if found != expected:
            raise BenchError(f"the counters have come to {found}, not to {expected}")
        if bench.profile:
            from .profile import record

            roles = {"cache-worker": worker, "memcached": [memcached.pid]}
            for path in record(roles, lambda: hostd.count(total, CONCURRENT, bench.repetitions)):
                bench.say(f"  profile: {os.path.relpath(path)}")
    notes = {
        "concurrent": CONCURRENT,
        "runs": [round(rate) for rate in ours],
        "peer_runs": [round(rate) for rate in theirs],
        "one_at_a_time": round(max(alone_at_a_time)),
        "worker_cpu_s_per_1000": round(cpu, 4),
    }
    peer = max(theirs)
    return [Result("cache increments, one worker", "/s", max(ours), 0.8 * peer, peer, "libmemcached", notes=notes)]


def libmemcached(bench, memcached, total):
    command = [f"{bench.binaries}/increments", str(memcached.port), str(total), str(KEYS)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"increments: {done.stderr.strip()}")
    return total / float(done.stdout.split()[1])
