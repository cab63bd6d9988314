# SPDX-License-Identifier: Apache-2.0
"""XMPP's part of the bench: prosody, components that count or write as fast as they can, and slixmpp."""

import hashlib, os, pwd, re, shutil, socket, subprocess, tempfile, threading, urllib.request

from .processes import ROOT, BenchError, Child, answers, cpu_seconds, free_port
from .services import Hostd
from .wire import Control

SECRET = "s3cret"
CONTACTS = "contacts.example"


class Prosody(Child):
    """prosody as Debian has it, with these components; loopback only, unprivileged, in a folder of its own."""

    def __init__(self, domains):
        self.port, clients = free_port(), free_port()
        # Not among our own files: where the bench runs as root, another account has to get there.
        self.folder = tempfile.mkdtemp(prefix="hostd-bench-prosody-")
        self.server_log = f"{self.folder}/prosody.log"
        with open(f"{self.folder}/prosody.cfg.lua", "w") as file:
            file.write(
                f'daemonize = false; pidfile = "{self.folder}/prosody.pid"; data_path = "{self.folder}"\n'
                f'log = {{ info = "{self.server_log}" }}; interfaces = {{ "127.0.0.1" }}\n'
                f"c2s_ports = {{ {clients} }}; s2s_ports = {{}}; component_ports = {{ {self.port} }}\n"
                'component_interfaces = { "127.0.0.1" }; modules_disabled = { "s2s" }\n'
                'modules_enabled = { "disco", "ping" }\nVirtualHost "bench.example"\n'
            )
            file.writelines(f'Component "{domain}"\n  component_secret = "{SECRET}"\n' for domain in domains)
        command = ["prosody", "--config", f"{self.folder}/prosody.cfg.lua", "-F"]
        if os.getuid() == 0:  # prosody refuses to be root
            account = pwd.getpwnam("nobody")
            for path in (self.folder, f"{self.folder}/prosody.cfg.lua"):
                os.chown(path, account.pw_uid, account.pw_gid)
            rights = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
            command = ["setpriv", *rights, "--pdeathsig", "TERM", *command]
        super().__init__("prosody", command)
        self.wait_until(lambda: answers(self.port), 60)

    def components_seen(self):
        """How many logins of components its log tells of."""
        with open(self.server_log) as log:
            return log.read().count("External component successfully authenticated")

    def cpu(self):
        return cpu_seconds([self.pid])

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class RawComponent:
    """A component by bare sockets and prebuilt text: far cheaper than the server, whose limit it shows."""

    def __init__(self, prosody, domain):
        self.domain = domain
        self.socket = socket.create_connection(("127.0.0.1", prosody.port), 60)
        self.socket.sendall(
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
            f"xmlns:stream='http://etherx.jabber.org/streams' to='{domain}'>".encode()
        )
        stream = self._until(rb"<stream:stream[^>]*\bid=['\"]([^'\"]+)['\"][^>]*>")
        proof = hashlib.sha1(stream.group(1) + SECRET.encode()).hexdigest()
        self.socket.sendall(f"<handshake>{proof}</handshake>".encode())
        self._until(rb"<handshake\s*/>")

    def _until(self, pattern):
        data = b""
        while not (found := re.search(pattern, data)):
            piece = self.socket.recv(65536)
            if not piece:
                raise BenchError(f"prosody closed the stream of {self.domain}: {data[-200:]!r}")
            data += piece
        return found

    def blast(self, text):
        """Writes it, and waits for the answer to a ping to itself that is behind it."""
        ping = f"<iq type='get' id='p' from='{self.domain}' to='{self.domain}'><ping xmlns='urn:xmpp:ping'/></iq>"
        self.socket.sendall(text + ping.encode())
        self._until(rb"<iq\b[^>]*\bid=['\"]p['\"]")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class MessageCount:
    """Counts the messages in a stream, and keeps one of them, to be sent once more by others."""

    MARK = b"<message "

    def __init__(self):
        self.messages = 0
        self.sample = b""
        self.rest = b""

    def add(self, piece):
        data = self.rest + piece
        self.messages += data.count(self.MARK)
        if not self.sample:
            found = re.search(rb"<message .*?</message>", data, re.DOTALL)
            self.sample = found.group() if found else b""
        # A mark cut in two is counted when its end has come, and no mark is counted twice.
        self.rest = data[-len(self.MARK) + 1 :]

    def count(self):
        return self.messages

    def take_sample(self):
        sample, self.sample = self.sample, b""
        return sample


class Contacts(RawComponent, MessageCount):
    """The component that has all the contacts: counts the messages for them."""

    def __init__(self, prosody):
        RawComponent.__init__(self, prosody, CONTACTS)
        MessageCount.__init__(self)
        self.socket.settimeout(None)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while piece := self.socket.recv(1 << 20):
            self.add(piece)

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        super().__exit__()


class CountingServer(MessageCount):
    """In the place of a server: takes one component's stream as it comes, counts, and answers pings.

    It does far less than any server, so that what limits a run is the sender.
    """

    ASKED = re.compile(rb"<iq .*?</iq>|<handshake>.*?</handshake>|<stream:stream .*?>", re.DOTALL)

    def __init__(self):
        super().__init__()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.stream = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        self.stream, _ = self.listener.accept()
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting = b""
        while piece := self.stream.recv(1 << 20):
            self.add(piece)
            waiting += piece
            answered = 0
            for found in re.finditer(self.ASKED, waiting):
                answered = found.end()
                self.stream.sendall(self._answer(found.group()))
            # Nothing that is answered is as long as that.
            waiting = waiting[max(answered, len(waiting) - 4096) :]

    @staticmethod
    def _answer(element):
        if element.startswith(b"<stream"):
            return (
                b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
                b"xmlns:stream='http://etherx.jabber.org/streams' id='1'>"
            )
        if element.startswith(b"<handshake"):
            return b"<handshake/>"
        return b"<iq type='result' id='%s'/>" % re.search(rb"""\bid=["']([^"']*)["']""", element).group(1)

    def cpu(self):
        return 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        if self.stream:
            self.stream.shutdown(socket.SHUT_RDWR)


class Slixmpp(Child):
    """The peer, Debian's python3-slixmpp: peers/slixmpp/component.py."""

    def __init__(self, prosody, domain):
        arguments = [str(prosody.port), domain, SECRET, CONTACTS]
        program = ["/usr/bin/python3", f"{ROOT}/Benchmarks/peers/slixmpp/component.py"]
        super().__init__("slixmpp", program + arguments, input=subprocess.PIPE)
        self.answers = 0
        self._await_answer()

    def send(self, count, body):
        self.process.stdin.write(f"{count} {body}\n".encode())
        self.process.stdin.flush()
        self._await_answer()

    def _await_answer(self):
        self.answers += 1

        def answered():
            with open(self.log) as log:
                return sum(line in ("ready\n", "done\n") for line in log) >= self.answers

        self.wait_until(answered, 300)


class XMPPHostd(Hostd):
    """hostd with xmppout alone; each site is a component, all of one server. One worker has the group `xmpp`."""

    PLUGINS = ("xmppout",)
    SETTINGS = "workers:\n  count: 1\n"

    def __init__(self, plugins, prosody, sites, name="hostd-xmpp"):
        self.SITES, self.prosody = sites, prosody
        super().__init__(plugins, name)

    @staticmethod
    def domain(site):
        return f"{site}.queue.example"

    def site_plugins(self, site):
        return (
            f"  xmppout: {{ mode: component, domain: {self.domain(site)}, port: {self.prosody.port}, "
            f"secret: {SECRET} }}\n"
        )

    def sender(self):
        """The process that has the connections."""
        return next(p["pid"] for p in self.processes("worker") if p["group"].endswith("xmpp"))

    def connected(self):
        """How many sites' streams are up, by its own count."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.console_port}/metrics", timeout=30) as page:
            return len(re.findall(rb"(?m)^\w*xmppout_connected\{[^}]*\} 1$", page.read()))

    def queue_is_empty(self):
        """Asked again and again within a measurement: without a process of its own."""
        rows = [row for row in self.control("status")["queues"] if row["queue"] == "xmppout"]
        return not any(row.get(state, 0) for row in rows for state in ("ready", "delayed", "claimed"))

    def connect(self):
        self.control = Control(f"{self.folder}/state/control.sock")
        return super().connect()
