# SPDX-License-Identifier: Apache-2.0
"""The table for people and the JSON for the next comparison."""

import json, os, platform, subprocess, time

from .processes import ROOT, WORK


def figure(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def machine():
    """What the figures depend on besides the code."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True
    ).stdout.strip()
    return {
        "cpus": os.cpu_count(),
        "cpu": models[0] if models else platform.machine(),
        "kernel": platform.release(),
        "fdatasync_per_s": round(fdatasync_rate()),
        "commit": commit,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def fdatasync_rate():
    """4 KiB appends made durable one by one, where the stores will lie: the disk's part in a durable figure."""
    path, count, started = os.path.join(WORK, "fdatasync"), 0, time.monotonic()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    while time.monotonic() - started < 0.5:
        os.write(descriptor, b"x" * 4096)
        os.fdatasync(descriptor)
        count += 1
    elapsed = time.monotonic() - started
    os.close(descriptor)
    os.remove(path)
    return count / elapsed


def table(results):
    rows = [("what", "hostd, durable", "peer, same run", "ratio", "reach", "")]
    for r in results:
        unit = f" {r.unit}" if r.unit and r.unit != "/s" else r.unit
        sign = "<=" if r.lower_is_better else ">="
        rows.append(
            (
                r.what,
                figure(r.value) + unit,
                f"{figure(r.peer)}{unit} {r.peer_name}" if r.peer else "-",
                f"{r.ratio:.1f}x" if r.ratio else "-",
                f"{sign} {figure(r.reach)}{unit}",
                "reached" if r.reached else "missed",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write(results, failures, about, quick):
    folder = os.path.join(ROOT, "Benchmarks", "results")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, time.strftime("%Y%m%d-%H%M%S.json"))
    with open(path, "w") as file:
        json.dump(
            {
                "machine": about,
                "quick": quick,
                "failures": failures,
                "rows": [
                    {
                        "what": r.what,
                        "unit": r.unit,
                        "value": r.value,
                        "reach": r.reach,
                        "reached": r.reached,
                        "peer": r.peer,
                        "peer_name": r.peer_name,
                        "ratio": r.ratio,
                        "lower_is_better": r.lower_is_better,
                        "notes": r.notes,
                    }
                    for r in results
                ],
            },
            file,
            indent=1,
        )
        file.write("\n")
    return os.path.relpath(path, ROOT)
