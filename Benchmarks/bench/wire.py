# SPDX-License-Identifier: Apache-2.0
"""The little of STOMP, Redis, HTTP and hostd's control socket that the benchmarks speak themselves."""

import http.client, json, socket

from .processes import BenchError


class Stomp:
    """A producer: one persistent SEND at a time, each on disk when send() returns."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.buffer = b""
        self.sent = 0
        self.socket.sendall(b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0")
        self._await(b"CONNECTED\n")

    def send(self, queue, body, site, **headers):
        self.sent += 1
        body = body.encode()
        lines = [
            "destination:/queue/statusnet/main",
            f"site:{site}",
            f"queue:{queue}",
            "persistent:true",
            f"receipt:{self.sent}",
            f"content-length:{len(body)}",
        ]
        lines += [f"{name}:{value}" for name, value in headers.items()]
        self.socket.sendall(("SEND\n" + "\n".join(lines) + "\n\n").encode() + body + b"\0")
        self._await(b"RECEIPT\n")

    def _await(self, start):
        while True:
            frame, nul, rest = self.buffer.lstrip(b"\r\n").partition(b"\0")
            if not nul:
                data = self.socket.recv(65536)
                if not data:
                    raise BenchError("hostd closed the STOMP connection")
                self.buffer += data
                continue
            self.buffer = rest
            if frame.startswith(b"ERROR"):
                raise BenchError("hostd answered " + frame.decode(errors="replace").replace("\n", " | "))
            if frame.startswith(start):
                return

    def close(self):
        self.socket.close()


class Redis:
    """Commands with simple answers."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.answers = self.socket.makefile("rb")

    def __call__(self, *words):
        return self.pipeline([words])[0]

    def pipeline(self, commands):
        text = b""
        for words in commands:
            text += b"*%d\r\n" % len(words)
            for word in words:
                word = str(word).encode()
                text += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(text)
        return [self._answer() for _ in commands]

    def _answer(self):
        line = self.answers.readline().rstrip().decode()
        if line.startswith("-"):
            raise BenchError(f"redis: {line}")
        return int(line[1:]) if line.startswith(":") else line[1:]

    def close(self):
        self.socket.close()


class Counter:
    """Asks a sink how many POSTs it has answered, over one kept connection."""

    def __init__(self, port, own_requests_count):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.own_requests_count = own_requests_count
        self.asked = 0

    def text(self):
        self.asked += 1
        try:
            self.connection.request("GET", "/stat")
            return self.connection.getresponse().read().decode()
        except http.client.RemoteDisconnected:  # it was idle for minutes: asked anew, on a new connection
            self.connection.close()
            self.connection.request("GET", "/stat")
            return self.connection.getresponse().read().decode()

    def __call__(self):
        if self.own_requests_count:  # nginx's stub_status: accepts, handled, requests on the third line
            return int(self.text().split("\n")[2].split()[2]) - self.asked
        return int(self.text().split()[0])


class Control:
    """The control socket, a request at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")
        self.number = 0

    def __call__(self, command, **arguments):
        self.number += 1
        request = {"id": self.number, "command": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(self.lines.readline() or b"{}")
        if "result" not in reply:
            raise BenchError(f"{command}: {reply.get('error', 'no answer')}")
        return reply["result"]
