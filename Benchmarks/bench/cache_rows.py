# SPDX-License-Identifier: Apache-2.0
"""The row about the cache: a worker's increments beside libmemcached alone, at one memcached."""

import os, re, socket, subprocess

from .measure import Result
from .processes import BenchError, Child, answers, cpu_seconds, free_port
from .services import Hostd

# Counters that many want at once, and as many that nobody shares.
SHARED, CONCURRENT = 64, 256
KEYS = 4096


class Memcached(Child):
    """memcached as Debian has it."""

    def __init__(self):
        self.port = free_port()
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        super().__init__("memcached", ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", *user])
        self.wait_until(lambda: answers(self.port))

    def sum(self, prefix):
        """What the counters have come to."""
        total = 0
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            for first in range(0, KEYS, 64):
                keys = " ".join(f"{prefix}counter{number}" for number in range(first, first + 64))
                connection.sendall(f"get {keys}\r\n".encode())
                text = b""
                while not text.endswith(b"END\r\n"):
                    text += connection.recv(65536)
                total += sum(int(value) for value in re.findall(rb"(?m)^(\d+) *\r$", text))
        return total


class CachingHostd(Hostd):
    """hostd with one worker, whose cache is this memcached."""

    PLUGINS = ("bench",)
    SITES = ("bench",)

    def __init__(self, plugins, memcached):
        self.counts = 0
        self.SETTINGS = f"workers:\n  count: 1\ncache:\n  servers: [127.0.0.1:{memcached.port}]\n"
        super().__init__(plugins, "hostd-cache")

    def count(self, total, concurrent, keys):
        """Increments a second, by the plugin's own clock."""
        self.stomp.send("count", f"{total} {concurrent} {keys}", "bench")
        self.counts += 1

        def seconds():
            with open(self.child.log) as log:
                lines = re.findall(r"counted \d+ in ([0-9.]+) s|(the cache failed with[^\n]*)", log.read())
            if failure := next((failure for _, failure in lines if failure), None):
                raise BenchError(failure)
            return len(lines) >= self.counts and float(lines[-1][0])

        return total / self.child.wait_until(seconds, 120)


def cache(bench):
    """Increments through hostd.cache/1 by one worker, and by libmemcached alone; both over one connection."""
    total = bench.size(200_000, 20_000)
    shared, single, alone, theirs, cpu, expected = [], [], [], [], 0.0, 0
    with Memcached() as memcached, CachingHostd(bench.plugins, memcached) as hostd:
        worker = hostd.pids("worker")

        def ours(count, concurrent, keys):
            nonlocal expected
            expected += count
            return hostd.count(count, concurrent, keys)

        ours(1_000, CONCURRENT, SHARED)
        for _ in range(bench.repetitions):
            before = cpu_seconds(worker)
            shared.append(ours(total, CONCURRENT, SHARED))
            cpu = (cpu_seconds(worker) - before) * 1000 / total
            single.append(ours(total, CONCURRENT, KEYS))
            alone.append(ours(total // 10, 1, KEYS))
            theirs.append(libmemcached(bench, memcached, total))
            bench.say(
                f"  hostd {shared[-1]:,.0f}/s, all of different counters {single[-1]:,.0f}/s, one at a time "
                f"{alone[-1]:,.0f}/s, libmemcached {theirs[-1]:,.0f}/s"
            )
        found = memcached.sum("hostd:bench:bench:")
        if found != expected:
            raise BenchError(f"the counters have come to {found}, not to {expected}")
        if bench.profile:
            from .profile import record

            roles = {"cache-worker": worker, "memcached": [memcached.pid]}
            for path in record(roles, lambda: hostd.count(total, CONCURRENT, KEYS)):
                bench.say(f"  profile: {os.path.relpath(path)}")
    peer = max(theirs)
    notes = {
        "concurrent": CONCURRENT,
        "runs": [round(rate) for rate in shared],
        "peer_runs": [round(rate) for rate in theirs],
        "one_at_a_time": round(max(alone)),
        "worker_cpu_s_per_1000": round(cpu, 4),
    }
    single_notes = {"runs": [round(rate) for rate in single]}
    reach = 0.8 * peer
    return [
        Result(f"cache increments, {SHARED} counters", "/s", max(shared), reach, peer, "libmemcached", notes=notes),
        Result(
            f"cache increments, {KEYS:,} counters, no two alike at a time",
            "/s",
            max(single),
            reach,
            peer,
            "libmemcached",
            notes=single_notes,
        ),
    ]


def libmemcached(bench, memcached, total):
    command = [f"{bench.binaries}/increments", str(memcached.port), str(total), str(SHARED)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"increments: {done.stderr.strip()}")
    return total / float(done.stdout.split()[1])
