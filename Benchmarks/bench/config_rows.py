# SPDX-License-Identifier: Apache-2.0
"""The rows about live configuration: how long an update of one site takes among many, and what it leaves in memory."""

import time

from .latency_rows import percentile
from .measure import Result
from .services import Hostd
from .wire import Control

ROLES = ("supervisor", "broker", "worker")


def write_site(hostd, number, timeout):
    with open(f"{hostd.folder}/sites.d/site{number}.yaml", "w") as file:
        file.write(
            f"server: site{number}.example\nplugins:\n  bench: {{}}\n  omb: {{ timeout: {timeout} }}\n"
        )


def residents(control):
    """MiB by role; of the workers the largest."""
    found = dict.fromkeys(ROLES, 0.0)
    for process in control("status")["processes"]:
        if process["role"] in found:
            found[process["role"]] = max(found[process["role"]], process["rss_bytes"] / (1 << 20))
    return found


def updates(bench):
    """10,000 updates, each of a site that changed, among 1,000 sites: time of one, and the memory of each process."""
    sites, total = bench.size(1000, 100), bench.size(10_000, 600)
    hostd = Hostd(bench.plugins, "updates")
    for number in range(sites):
        write_site(hostd, number, 5)
    with hostd:
        control = Control(f"{hostd.folder}/state/control.sock")
        times, curve = [], []
        for number in range(total):
            write_site(hostd, number % sites, 6 + number // sites % 2)
            started = time.monotonic()
            control("update", site=f"site{number % sites}")
            times.append((time.monotonic() - started) * 1000)
            if (number + 1) % (total // 20) == 0:
                curve.append(residents(control))
        started = time.monotonic()
        control("update")
        all_ms = (time.monotonic() - started) * 1000
    for role in ROLES:
        bench.say(f"  {role}, MiB: " + " ".join(f"{point[role]:.1f}" for point in curve))
    # From the second round over all sites on: the first fills caches.
    warm = curve[len(curve) // 5 - 1]
    growth = {role: curve[-1][role] - warm[role] for role in ROLES}
    worst = max(growth, key=growth.get)
    notes = {"curve_mib": curve, "growth_mib": growth, "update_of_all_ms": round(all_ms, 1)}
    return [
        Result(
            f"update of one site among {sites:,}, p50",
            "ms",
            percentile(times, 0.5),
            20,
            lower_is_better=True,
            notes={"p99": round(percentile(times, 0.99), 1), "update_of_all_ms": round(all_ms, 1)},
        ),
        Result(
            f"growth over {total:,} updates of {sites:,} sites ({worst})",
            "MiB",
            max(0.0, growth[worst]),
            4,
            lower_is_better=True,
            notes=notes,
        ),
    ]
