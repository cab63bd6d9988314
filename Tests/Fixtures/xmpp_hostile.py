#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that misbehave to components: xmpp_hostile.py BEHAVIOUR... Prints a port for each, in order, then "ready".

silent: accepts and says nothing. cut: lets the component in, then ends inside a tag. huge: a stanza of 10 MiB. laughs: a
billion-laughs document. Whoever comes again gets the same again.
"""
import socket, sys, threading

STREAM = (
    b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1' "
    b"from='queue.example.test'>"
)
LAUGHS = b"<?xml version='1.0'?><!DOCTYPE stream [<!ENTITY a0 'lol'>" + b"".join(
    b"<!ENTITY a%d '%s'>" % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 10)
) + b"]>"


def wait(stream, text):
    heard = b""
    while text not in heard:
        chunk = stream.recv(4096)
        if not chunk:
            raise OSError("gone")
        heard += chunk


def meet(stream, behaviour):
    try:
        if behaviour == "laughs":
            wait(stream, b"<stream:stream")
            stream.sendall(LAUGHS + STREAM + b"<message><body>&a9;</body></message>")
        elif behaviour != "silent":
            wait(stream, b"<stream:stream")
            stream.sendall(b"<?xml version='1.0'?>" + STREAM)
            wait(stream, b"</handshake>")
            stream.sendall(b"<handshake/>")
            if behaviour == "cut":
                stream.sendall(b"<message from='u0@example.test' to='queue.exam")
                stream.shutdown(socket.SHUT_WR)
            else:
                stream.sendall(b"<message from='u0@example.test'><body>")
                for _ in range(160):
                    stream.sendall(b"x" * 65536)
                stream.sendall(b"</body></message>")
        # Until the other side ends it.
        while stream.recv(65536):
            pass
    except OSError:
        pass
    stream.close()


def serve(listener, behaviour):
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=meet, args=(stream, behaviour), daemon=True).start()


for behaviour in sys.argv[1:]:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=serve, args=(listener, behaviour), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
