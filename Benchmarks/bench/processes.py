# SPDX-License-Identifier: Apache-2.0
"""Processes that a benchmark starts, and what /proc says of them."""

import glob, os, re, socket, subprocess, time

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.path.join(ROOT, ".build", "bench")


class BenchError(Exception):
    """One line for people."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, what, pause=0.02):
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Child:
    """A process of ours, ended by its own pid, or when we are killed; its output goes to a log file beside its work."""

    def __init__(self, name, arguments, environment=None, cwd=None, input=subprocess.DEVNULL):
        self.name = name
        self.log = os.path.join(WORK, f"{name}.log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *arguments],
                stdin=input,
                stdout=log,
                stderr=log,
                cwd=cwd,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        self.pid = self.process.pid

    def wait_until(self, condition, seconds=20):
        def ready():
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended with status {self.process.returncode}; see {self.log}")
            return condition()

        return wait_for(ready, seconds, f"{self.name} (see {self.log})")

    def stop(self, kill=False):
        if self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def tree(pid):
    """A process and all that it started, directly or not."""
    found = [pid]
    for parent in found:
        for path in glob.glob(f"/proc/{parent}/task/*/children"):
            try:
                with open(path) as file:
                    found += [int(child) for child in file.read().split()]
            except OSError:
                pass
    return found


def cpu_seconds(pids):
    """User and system time, so far."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICKS


def peak_mib(pid):
    """The highest resident size, in MiB."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024
    except (OSError, AttributeError):
        return 0.0
