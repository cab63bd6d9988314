#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Contacts by slixmpp, which isn't ours: xmpp_contacts.py PORT COUNT. They log in as u0, u1, ... and come back by themselves.

Says "ready" once when all are there, and for each message `NAME FROM KIND JSON-OF-BODY`, where the kind is `stored` if
the server had kept it while the contact was away (XEP-0203), else `live`. A line on standard input is sent: `NAME TO BODY`.
"""
import asyncio, json, logging, sys
import slixmpp

port, count = int(sys.argv[1]), int(sys.argv[2])
logging.basicConfig(level=logging.CRITICAL)


class Contact(slixmpp.ClientXMPP):
    def __init__(self, name):
        super().__init__(f"{name}@example.test/home", "pw")
        self.name_ = name
        self.up = asyncio.Event()
        self.auto_reconnect = self.waits = False
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.said)
        for event in ("disconnected", "connection_failed"):
            self.add_event_handler(event, self.gone)

    def gone(self, _):
        # Both may be told of one connection: a second one of ours would end the first.
        if not self.waits:
            self.waits = True
            self.loop.call_later(0.3, self.come)

    def come(self):
        self.waits = False
        # slixmpp 1.8 and later differ in how TLS is left out.
        if hasattr(self, "enable_plaintext"):
            self.enable_plaintext, self.enable_starttls, self.enable_direct_tls = True, False, False
            self.connect("127.0.0.1", port)
        else:
            self.connect(("127.0.0.1", port), disable_starttls=True, force_starttls=False)

    async def started(self, _):
        self.send_presence(ppriority=1)
        self.up.set()

    def said(self, message):
        if message["type"] == "error":
            return
        kind = "live" if message.xml.find("{urn:xmpp:delay}delay") is None else "stored"
        print(self.name_, message["from"], kind, json.dumps(message["body"]), flush=True)


async def main():
    contacts = {f"u{number}": Contact(f"u{number}") for number in range(count)}
    for contact in contacts.values():
        contact.come()
    for contact in contacts.values():
        await asyncio.wait_for(contact.up.wait(), 60)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, to, body = line.rstrip("\n").split(" ", 2)
        contacts[name].send_message(mto=to, mbody=body, mtype="chat")


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
