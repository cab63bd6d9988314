# SPDX-License-Identifier: Apache-2.0
"""What a row needs running: sinks, the peer, and hostd, each on free loopback ports and in a folder of its own."""

import json, os, shutil, subprocess

from .processes import ROOT, WORK, BenchError, Child, answers, cpu_seconds, free_port, peak_mib, tree, wait_for
from .wire import Counter, Redis, Stomp

OMB_ANSWER = "omb_version=http://openmicroblogging.org/protocol/0.1"
NGINX = """worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.err warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 300s;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3; uwsgi_temp_path {work}/t4;
  scgi_temp_path {work}/t5;
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location = /stat {{ stub_status; }}
    location / {{ default_type text/plain; return 200 "{answer}"; }} }}
}}
"""


def fresh_folder(name):
    path = os.path.join(WORK, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path, mode=0o755)
    return path


def build_tools():
    """The C programs and the plugin, by the system's compiler; the plugin needs nothing but the ABI's header."""
    folder = fresh_folder("bin")
    source = os.path.join(ROOT, "Benchmarks")
    for tool, libraries in (("sink", []), ("enqueue", []), ("latency", []), ("increments", ["-lmemcached"])):
        command = ["cc", "-std=gnu11", "-O2", "-o", f"{folder}/{tool}", f"{source}/tools/{tool}.c"]
        subprocess.run(command + libraries, check=True)
    plugins = fresh_folder("plugins.d")
    subprocess.run(
        [
            "cc",
            "-std=c99",
            "-O2",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
            "-I",
            f"{ROOT}/Sources/PluginABI/include",
            "-o",
            f"{plugins}/bench.so",
            f"{source}/plugins/bench.c",
        ],
        check=True,
    )
    shutil.copy(f"{ROOT}/plugins.d/omb.so", f"{plugins}/omb.so")
    for plugin in ("bench.so", "omb.so"):
        os.chmod(f"{plugins}/{plugin}", 0o755)
    return folder, plugins


class Nginx(Child):
    """The sink of the headline rows: answers every POST at once, as an OMB subscriber does."""

    def __init__(self):
        folder = fresh_folder("nginx")
        self.port = free_port()
        with open(f"{folder}/nginx.conf", "w") as file:
            file.write(NGINX.format(work=folder, port=self.port, answer=OMB_ANSWER))
        super().__init__(
            "nginx", ["/usr/sbin/nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/nginx.err"]
        )
        self.wait_until(lambda: answers(self.port))
        self.count = Counter(self.port, own_requests_count=True)


class Sink(Child):
    """Targets that are far away, hang or fail: tools/sink.c."""

    def __init__(self, binaries, *arguments):
        self.port = free_port()
        super().__init__("sink", [f"{binaries}/sink", str(self.port), *map(str, arguments)])
        self.wait_until(lambda: answers(self.port))
        self.count = Counter(self.port, own_requests_count=False)

    def failures(self):
        return int(self.count.text().split()[3])


class Sidekiq:
    """The peer, with its Redis as Debian has it: not durable."""

    def __init__(self, threads, sink_port):
        self.redis_port = free_port()
        folder = fresh_folder("redis")
        self.server = Child(
            "redis",
            [
                "/usr/bin/redis-server",
                "--port",
                str(self.redis_port),
                "--bind",
                "127.0.0.1",
                "--dir",
                folder,
                "--save",
                "",
                "--appendonly",
                "no",
                "--daemonize",
                "no",
            ],
        )
        self.server.wait_until(lambda: answers(self.redis_port))
        self.redis = Redis(self.redis_port)
        self.worker = Child(
            "sidekiq",
            ["sidekiq", "-r", "./jobs.rb", "-c", str(threads), "-q", "default", "-e", "production"],
            {"REDIS_PORT": str(self.redis_port), "SINK_PORT": str(sink_port)},
            os.path.join(ROOT, "Benchmarks/peers/sidekiq"),
        )
        self.worker.wait_until(lambda: self.redis("SCARD", "processes"), 30)
        self.serial = 0

    def job(self, name, *arguments):
        self.serial += 1
        return json.dumps(
            {
                "class": name,
                "args": list(arguments),
                "jid": f"{self.serial:024x}",
                "queue": "default",
                "retry": True,
                "created_at": 0,
                "enqueued_at": 0,
            }
        )

    def stage(self, jobs):
        """Jobs that start all at once when go() is called."""
        self.redis("DEL", "staging")
        self.redis("SADD", "queues", "default")
        for first in range(0, len(jobs), 1000):
            self.redis.pipeline([("LPUSH", "staging", job) for job in jobs[first : first + 1000]])

    def go(self):
        self.redis("RENAME", "staging", "queue:default")

    def waiting(self):
        return self.redis("LLEN", "queue:default")

    def cpu(self):
        return cpu_seconds(tree(self.worker.pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.stop(kill=True)
        self.redis.close()
        self.server.stop()


class Hostd:
    """hostd as installed: every setting is the default, but for ports, paths and leave to reach loopback."""

    SITES = ("bench", "other", "quiet")
    PLUGINS = ("bench", "omb")
    # More of hostd.yaml.
    SETTINGS = ""

    def __init__(self, plugins_folder, name="hostd"):
        self.folder = fresh_folder(name)
        self.plugins_folder = plugins_folder
        self.stomp_port, self.console_port = free_port(), free_port()
        self.config = f"{self.folder}/hostd.yaml"
        os.makedirs(f"{self.folder}/sites.d")
        with open(self.config, "w") as file:
            file.write(
                f'state_dir: "{self.folder}/state"\nsites_dir: "{self.folder}/sites.d"\n'
                f'plugins_dir: "{plugins_folder}"\n'
                f"queue:\n  listen: 127.0.0.1:{self.stomp_port}\nconsole:\n  listen: 127.0.0.1:{self.console_port}\n"
                f"http:\n  allow_private: true\n{self.SETTINGS}"
            )
        for site in self.SITES:
            with open(f"{self.folder}/sites.d/{site}.yaml", "w") as file:
                file.write(f"nickname: {site}\nserver: {site}.example\nplugins:\n{self.site_plugins(site)}")
        self.child = None

    def site_plugins(self, site):
        """The plugins' section of a site's file."""
        return "".join(f"  {plugin}: {{ enabled: true }}\n" for plugin in self.PLUGINS)

    def launch(self):
        self.child = Child("hostd", [f"{ROOT}/.build/release/hostd", "--config", self.config])

    def start(self):
        self.launch()
        self.child.wait_until(lambda: set(self.PLUGINS) <= {p.get("plugin") for p in self.processes("worker")}, 30)
        self.child.wait_until(self.connect, 30)
        return self

    def connect(self):
        """Workers are there before the broker listens."""
        try:
            self.stomp = Stomp(self.stomp_port)
        except ConnectionRefusedError:
            return False
        return True

    def queuectl(self, *arguments):
        done = subprocess.run(
            [f"{ROOT}/.build/release/queuectl", "--config", self.config, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise BenchError(f"queuectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def status(self):
        try:
            return json.loads(self.queuectl("status", "--json"))
        except BenchError:
            if self.child.process.poll() is None:
                return {}
            raise

    def processes(self, role):
        return [p for p in self.status().get("processes", []) if p.get("role") == role]

    def pids(self, role):
        return [p["pid"] for p in self.processes(role)]

    def items(self, queue, *states):
        rows = [row for row in self.status()["queues"] if row["queue"] == queue]
        return sum(row.get(state, 0) for row in rows for state in states)

    def settle(self, queue, seconds=60):
        wait_for(lambda: self.items(queue, "ready", "delayed", "claimed") == 0, seconds, f"queue {queue} empty", 0.1)

    def peak(self, role):
        return max((peak_mib(pid) for pid in self.pids(role)), default=0.0)

    def import_recipients(self, lines, site="bench", plugin="omb"):
        path = f"{self.folder}/recipients.jsonl"
        with open(path, "w") as file:
            file.writelines(lines)
        self.queuectl("recipients", "import", "-s", site, plugin, path)
        os.remove(path)

    def stop(self, kill=False):
        if self.child:
            pids = tree(self.child.pid) if kill else []
            status = self.child.stop(kill)
            for pid in pids[1:]:  # the children end by themselves when the supervisor is gone
                wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 60, f"end of process {pid}", 0.05)
            self.child = None
            return status

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.stop(kill=kind is not None)
        shutil.rmtree(f"{self.folder}/state", ignore_errors=True)


def recipient(author, port, path, number):
    return (
        f'{{"plugin":"omb","author":"{author}","target":"http://127.0.0.1:{port}{path}/{number}",'
        f'"credentials":{{"token":"t{number}","secret":"s{number}"}}}}\n'
    )


def notice(number, author, tag=""):
    uri = f"http://bench.example/notice/{tag}{number}"
    return json.dumps(
        {
            "id": number,
            "uri": uri,
            "url": uri,
            "content": "A notice of ordinary length, as people write them. " * 2,
            "rendered": "<p>A notice</p>",
            "created": "2026-11-24T10:00:00Z",
            "source": "web",
            "is_local": 1,
            "author": {"id": 7, "uri": author, "nickname": "alice", "fullname": "Alice", "profile_url": author},
            "license": "http://creativecommons.org/licenses/by/3.0/",
            "tags": [],
        }
    )
