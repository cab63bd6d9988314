# SPDX-License-Identifier: Apache-2.0
"""Where the time goes: perf over some processes while something is done."""

import os, subprocess

from .processes import WORK, Child


def record(roles, act):
    """Runs act() under perf; `roles`: pids by name; returns the paths of the reports, one a name."""
    recorders = []
    for role, pids in roles.items():
        data = os.path.join(WORK, f"perf-{role}.data")
        # cpu-clock: virtual machines seldom have hardware counters. DWARF stacks cost more than the code measured.
        recorders.append(
            (
                role,
                data,
                Child(
                    f"perf-{role}",
                    [
                        "perf",
                        "record",
                        "-e",
                        "cpu-clock",
                        "-F",
                        "999",
                        "--call-graph",
                        "fp",
                        "-o",
                        data,
                        "-p",
                        ",".join(map(str, pids)),
                    ],
                ),
            )
        )
    try:
        act()
    finally:
        for _, _, recorder in recorders:
            recorder.process.send_signal(2)  # as Ctrl-C: it writes its file
            recorder.process.wait(60)
    reports = []
    for role, data, _ in recorders:
        path = os.path.join(WORK, f"perf-{role}.txt")
        with open(path, "w") as file:
            subprocess.run(
                ["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.5"],
                stdout=file,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        reports.append(path)
    return reports
