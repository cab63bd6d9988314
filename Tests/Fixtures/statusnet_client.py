#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speaks STOMP 1.0 as StatusNet's own client did.

A space after the colon, no content-length, values taken untrimmed, each ACK with every header of its MESSAGE and a
transaction, COMMIT and DISCONNECT at the end.

    statusnet_client.py PORT roundtrip          consumes what it sent from a plain queue, as its daemon did
    statusnet_client.py PORT send SITE QUEUE PAYLOAD    a SEND with the PHP envelope to the group's destination
    statusnet_client.py PORT control WORD       update:NICK, shutdown or restart on the control channel

Exit status 0: the broker behaved.
"""

import socket, sys, time, uuid


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.buffer = b""
        self.counter = 0
        self.write("CONNECT", {"login": "u", "passcode": "p"})
        command, headers, _ = self.read()
        assert command == "CONNECTED" and headers.get("session"), (command, headers)

    def write(self, command, headers, body=b""):
        # As the original: a space after the colon, no content-length, no newline after the NUL.
        lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
        self.socket.sendall(f"{command}\n{lines}\n".encode() + body + b"\0")

    def read(self):
        while b"\0" not in self.buffer:
            data = self.socket.recv(8192)
            assert data, "the broker closed the connection"
            self.buffer += data
        frame, _, rest = self.buffer.lstrip(b"\r\n").partition(b"\0")
        self.buffer = rest[1:] if rest[:1] == b"\n" else rest
        head, _, body = frame.partition(b"\n\n")
        command, *lines = head.decode().split("\n")
        # Values are not trimmed: a broker that sends "name: value" is not understood.
        headers = dict(line.split(":", 1) for line in lines)
        assert command != "ERROR", (headers, body)
        return command, headers, body

    def send(self, destination, body):
        created = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        self.write("SEND", {"created": created, "persistent": "true", "destination": destination}, body)

    def begin(self):
        self.counter += 1
        self.transaction = f"peer.1-{self.counter}-{int(time.time())}"
        self.write("BEGIN", {"transaction": self.transaction})

    def ack(self, headers):
        self.write("ACK", {**headers, "transaction": self.transaction})
        self.write("COMMIT", {"transaction": self.transaction})

    def close(self):
        self.write("COMMIT", {"transaction": self.transaction})
        self.write("DISCONNECT", {})
        self.socket.close()


def php(text):
    return f's:{len(text.encode())}:"{text}";'


def envelope(site, queue, payload):
    """A notice's number goes as it is; anything else is serialized once more."""
    inner = payload if payload.isdigit() else php(payload)
    return f'a:3:{{{php("site")}{php(site)}{php("handler")}{php(queue)}{php("payload")}{php(inner)}}}'.encode()


def roundtrip(port):
    place = "/queue/statusnet-peer/" + uuid.uuid4().hex[:8]
    bodies = [envelope("peer", "distrib", "123"), envelope("peer", "distrib", "hello wörld"), b"third"]
    first = Connection(port)
    first.begin()
    for body in bodies:
        first.send(place, body)
    first.write("SUBSCRIBE", {"ack": "client", "activemq.prefetchSize": "1", "destination": place})
    seen = first.read()
    assert seen[2] == bodies[0], seen
    first.ack(seen[1])
    first.begin()
    seen = first.read()
    assert seen[2] == bodies[1], seen
    first.socket.close()  # dies in the handler: no ACK
    second = Connection(port)
    second.begin()
    second.write("SUBSCRIBE", {"ack": "client", "activemq.prefetchSize": "1", "destination": place})
    for body, redelivered in ((bodies[1], True), (bodies[2], False)):
        command, headers, found = second.read()
        assert command == "MESSAGE" and found == body, (headers, found)
        assert (headers.get("redelivered") == "true") == redelivered, headers
        second.ack(headers)
        second.begin()
    second.close()


def main():
    port, action, *rest = int(sys.argv[1]), *sys.argv[2:]
    if action == "roundtrip":
        return roundtrip(port)
    connection = Connection(port)
    connection.begin()
    if action == "send":
        connection.send("/queue/statusnet/main", envelope(*rest))
    else:
        created = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        connection.write("SEND", {"created": created, "destination": "/topic/statusnet/control"}, rest[0].encode())
    # The original asks for no receipt; the DISCONNECT must not overtake what was sent before it.
    connection.close()


main()
