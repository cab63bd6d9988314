#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All the contacts of count.example.test in one component (XEP-0114, secret s3cret): xmpp_counter.py PORT

Says "ready" when it is connected; for each line on standard input `MESSAGES CONTACTS`: how many came, to how many.
"""
import hashlib, re, socket, sys, threading

stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
stream.sendall(
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    b"xmlns:stream='http://etherx.jabber.org/streams' to='count.example.test'>"
)
head = b""
while not (id_ := re.search(rb"""\bid=['"]([^'"]+)""", head)):
    head += stream.recv(4096)
stream.sendall(b"<handshake>" + hashlib.sha1(id_[1] + b"s3cret").hexdigest().encode() + b"</handshake>")
contacts, messages = set(), 0


def count():
    global messages
    rest = b""
    while chunk := stream.recv(1 << 20):
        rest += chunk
        # Start tags that are whole.
        end = rest.rfind(b">") + 1
        for tag in re.findall(rb"<message\b[^>]*>", rest[:end]):
            # Forwarded ones inside of others have no business here.
            contacts.add(re.search(rb"""\bto=['"]([^'"]+)""", tag)[1])
            messages += 1
        rest = rest[end:]


while b"handshake" not in (answer := stream.recv(4096)):
    if not answer:
        sys.exit("the server refuses the component")
threading.Thread(target=count, daemon=True).start()
print("ready", flush=True)
for _ in sys.stdin:
    print(messages, len(contacts), flush=True)
