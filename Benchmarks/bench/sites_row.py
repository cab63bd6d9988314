# SPDX-License-Identifier: Apache-2.0
"""How start-up, stop and memory grow with the number of sites."""

import re, time

from .measure import Result
from .services import Hostd


class ManySites(Hostd):
    """hostd with so many sites, each of which enables both plugins."""

    def __init__(self, plugins, count):
        self.SITES = tuple(f"site{number}" for number in range(count))
        super().__init__(plugins, f"hostd-sites-{count}")

    def seconds_to_ready(self):
        """By its own clock, from the start of the supervisor until all workers are ready."""

        def ready():
            with open(self.child.log) as log:
                return re.search(r"hostd ready: .*?, ([0-9.]+) s", log.read())

        return float(self.child.wait_until(ready, 120).group(1))

    def resident(self):
        """MiB of the largest process of each role."""
        largest = {}
        for process in self.status()["processes"]:
            largest[process["role"]] = max(largest.get(process["role"], 0), process["rss_bytes"] / (1 << 20))
        return largest


def sites(bench):
    """1, 100 and 500 sites with seven queues each: start, stop, and memory of each process."""
    counts = (1, 20) if bench.quick else (1, 100, 500)
    figures = {}
    for count in counts:
        with ManySites(bench.plugins, count) as hostd:
            start = hostd.seconds_to_ready()
            # An item in a queue of each site: the broker has met them all.
            for site in hostd.SITES:
                for queue in ("noop", "bench"):
                    hostd.stomp.send(queue, "0 1 0 /", site)
            for queue in ("noop", "bench"):
                hostd.settle(queue)
            resident = hostd.resident()
            stopping = time.monotonic()
            hostd.stop()
            figures[count] = {
                "start_s": start,
                "stop_s": round(time.monotonic() - stopping, 2),
                **{f"{role}_mib": round(mib, 1) for role, mib in sorted(resident.items())},
            }
        bench.say(f"  {count:>4} sites: " + ", ".join(f"{name} {value}" for name, value in figures[count].items()))
    first, last = figures[counts[0]], figures[counts[-1]]
    grown = (last["worker_mib"] - first["worker_mib"]) * 1024 / (counts[-1] - counts[0])
    notes = {"curve": {str(count): values for count, values in figures.items()}}
    return [
        Result(f"start with {counts[-1]} sites", "s", last["start_s"], 2, lower_is_better=True, notes=notes),
        Result(f"graceful stop with {counts[-1]} sites", "s", last["stop_s"], 1, lower_is_better=True),
        Result("memory of a worker for each further site", "KiB", grown, 64, lower_is_better=True),
    ]
