# SPDX-License-Identifier: Apache-2.0
"""The row about staying as one is: the memory of each process over a long, even load."""

import os, time

from .config_rows import ROLES, residents
from .measure import AUTHOR, Result
from .services import Hostd, Nginx, notice, recipient
from .wire import Control

TARGETS, PAUSE_S, POINTS = 50, 0.25, 20


def steady(bench):
    """STEADY_SECONDS (600) of 200 signed deliveries a second: the memory of each process, and what wasn't delivered."""
    seconds = int(os.environ.get("STEADY_SECONDS", bench.size(600, 30)))
    with Nginx() as sink, Hostd(bench.plugins, "steady") as hostd:
        hostd.import_recipients(recipient(AUTHOR, sink.port, "/omb", n) for n in range(TARGETS))
        control = Control(f"{hostd.folder}/state/control.sock")
        base, number, curve = sink.count(), 0, []
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            hostd.stomp.send("notice", notice(number, AUTHOR), "bench")
            number += 1
            if elapsed >= seconds * (len(curve) + 1) / POINTS:
                curve.append(residents(control))
            time.sleep(max(0.0, started + number * PAUSE_S - time.monotonic()))
        hostd.settle("ombout")
        curve.append(residents(control))
        missing = number * TARGETS - (sink.count() - base)
    for role in ROLES:
        bench.say(f"  {role}, MiB: " + " ".join(f"{point[role]:.1f}" for point in curve))
    # From a quarter of the time on: the start fills caches.
    growth = {role: curve[-1][role] - curve[len(curve) // 4][role] for role in ROLES}
    worst = max(growth, key=growth.get)
    return [
        Result(
            f"growth over {seconds:,} s and {number * TARGETS:,} deliveries ({worst})",
            "MiB",
            max(0.0, growth[worst]),
            4,
            lower_is_better=True,
            notes={"curve_mib": curve, "growth_mib": growth, "not_delivered": missing},
        )
    ]
