#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Talks to a broker with an independent client, stomp.py (Debian's python3-stomp, hence Debian's python3).

    stomp_interop.py PORT

Runs every check in STOMP 1.0, 1.1 and 1.2 and prints "ok VERSION CHECK" a line, or "FAILED VERSION CHECK: why".
Exit status 0: all passed.
"""

import queue, sys, uuid

import stomp

PORT, PATIENCE = int(sys.argv[1]), 10
CLIENTS = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}


class Listener(stomp.ConnectionListener):
    def __init__(self):
        self.messages, self.receipts, self.errors = queue.Queue(), queue.Queue(), queue.Queue()
        self.gone = queue.Queue()

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)

    def on_disconnected(self):
        self.gone.put(True)


class Client:
    def __init__(self, version, **options):
        self.version = version
        self.connection = CLIENTS[version]([("127.0.0.1", PORT)], **options)
        self.listener = Listener()
        self.connection.set_listener("check", self.listener)
        self.connection.connect(wait=True)

    def send(self, destination, body, **headers):
        """On disk when this returns."""
        receipt = uuid.uuid4().hex
        self.connection.send(destination, body, headers={"persistent": "true", "receipt": receipt, **headers})
        self.await_receipt(receipt)

    def await_receipt(self, receipt):
        found = self.listener.receipts.get(timeout=PATIENCE)
        assert found == receipt, f"receipt {found}, expected {receipt}"

    def subscribe(self, destination, ack="client-individual", **headers):
        if self.version == "1.0":
            self.connection.subscribe(destination, id="s1", ack="client" if ack != "auto" else ack, headers=headers)
        else:
            self.connection.subscribe(destination, id="s1", ack=ack, headers=headers)

    def message(self):
        return self.listener.messages.get(timeout=PATIENCE)

    def nothing_more(self):
        """A round trip in which no message came."""
        receipt = uuid.uuid4().hex
        self.connection.send("/queue/interop.round-trip", "x", headers={"receipt": receipt})
        self.await_receipt(receipt)
        assert self.listener.messages.empty(), "a message that nobody expected"

    def ack(self, frame, **headers):
        self._settle(self.connection.ack, frame, headers)

    def nack(self, frame, **headers):
        self._settle(self.connection.nack, frame, headers)

    def _settle(self, call, frame, headers):
        if self.version == "1.0":
            call(frame.headers["message-id"], **headers)
        elif self.version == "1.1":
            call(frame.headers["message-id"], frame.headers["subscription"], **headers)
        else:
            call(frame.headers["ack"], **headers)

    def close(self):
        receipt = uuid.uuid4().hex
        self.connection.disconnect(receipt=receipt)


def fresh(version):
    return f"/queue/interop.{version}.{uuid.uuid4().hex[:8]}"


def auto_ack(version):
    place, client = fresh(version), Client(version)
    client.send(place, "hello")
    client.subscribe(place, ack="auto")
    frame = client.message()
    assert frame.body == "hello" and frame.headers["destination"] == place, frame
    client.close()
    later = Client(version)
    later.subscribe(place)
    later.nothing_more()
    later.close()


def order_and_ack(version):
    place, client = fresh(version), Client(version)
    for number in range(20):
        client.send(place, str(number))
    client.subscribe(place)
    for number in range(20):
        frame = client.message()
        assert frame.body == str(number), f"{frame.body} came in place of {number}"
        client.ack(frame)
    client.nothing_more()
    client.close()


def unacked_comes_back(version):
    place, client = fresh(version), Client(version)
    client.send(place, "again")
    client.subscribe(place)
    first = client.message()
    assert first.headers.get("redelivered", "false") == "false", first.headers
    client.close()
    other = Client(version)
    other.subscribe(place)
    second = other.message()
    assert second.body == "again" and second.headers.get("redelivered") == "true", second.headers
    assert second.headers["message-id"] == first.headers["message-id"], "the id changed"
    other.ack(second)
    other.close()


def nack_gives_back(version):
    if version == "1.0":
        return  # STOMP 1.0 has no NACK
    place, client = fresh(version), Client(version)
    client.send(place, "no")
    client.subscribe(place)
    client.nack(client.message())
    frame = client.message()
    assert frame.headers.get("redelivered") == "true", frame.headers
    client.ack(frame)
    client.close()


def transaction_commits(version):
    place, client = fresh(version), Client(version)
    client.subscribe(place, ack="auto")
    name = client.connection.begin()
    client.connection.send(place, "in", headers={"transaction": name})
    client.nothing_more()
    client.connection.commit(name)
    assert client.message().body == "in"
    client.close()


def transaction_aborts(version):
    place, client = fresh(version), Client(version)
    client.subscribe(place, ack="auto")
    name = client.connection.begin()
    client.connection.send(place, "out", headers={"transaction": name})
    client.connection.abort(name)
    client.nothing_more()
    client.close()


def text_survives(version):
    place, client = fresh(version), Client(version)
    body = "Grüße, \u4e16\u754c \U0001f600\nsecond line\n" + "x" * 100_000
    headers = {"note": "plain"} if version == "1.0" else {"note": "colon: back\\slash\nline"}
    client.subscribe(place, ack="auto")
    client.send(place, body, **headers)
    frame = client.message()
    assert frame.body == body, "the body changed"
    assert frame.headers["note"] == headers["note"], frame.headers
    client.close()


def topic_reaches_all(version):
    place, one, two = "/topic/interop." + uuid.uuid4().hex[:8], Client(version), Client(version)
    for client in (one, two):
        client.subscribe(place, ack="auto")
        client.nothing_more()
    one.send(place, "all")
    assert one.message().body == "all" and two.message().body == "all"
    one.close()
    two.close()


def heart_beats(version):
    if version == "1.0":
        return  # STOMP 1.0 has no heart-beats
    client = Client(version, heartbeats=(500, 500))
    try:
        client.listener.gone.get(timeout=3)
        raise AssertionError("the connection was lost while both sides should have sent beats")
    except queue.Empty:
        pass
    client.close()


def unknown_ack_is_an_error(version):
    client = Client(version)
    client.subscribe(fresh(version))
    client.connection.ack(*(["nobody"] if version != "1.1" else ["nobody", "s1"]))
    if version == "1.0":
        client.nothing_more()  # ignored, as old clients repeat theirs
        client.close()
    else:
        assert client.listener.errors.get(timeout=PATIENCE).headers.get("message"), "an ERROR without a sentence"


CHECKS = (
    auto_ack,
    order_and_ack,
    unacked_comes_back,
    nack_gives_back,
    transaction_commits,
    transaction_aborts,
    text_survives,
    topic_reaches_all,
    heart_beats,
    unknown_ack_is_an_error,
)
failed = False
for version in CLIENTS:
    for check in CHECKS:
        try:
            check(version)
            print(f"ok {version} {check.__name__}", flush=True)
        except Exception as error:  # whatever it is, the other checks go on
            failed = True
            print(f"FAILED {version} {check.__name__}: {type(error).__name__} {error}", flush=True)
sys.exit(failed)
