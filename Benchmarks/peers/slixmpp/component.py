#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The peer of the XMPP rows: slixmpp as a component, which sends what it is told to and asks whether the server has it.

component.py PORT DOMAIN SECRET CONTACTS-DOMAIN: says "ready"; then for each line `COUNT BODY` on standard input one
message to each of COUNT contacts, a ping to itself behind them, and "done" when that has been answered.
"""

import asyncio, inspect, logging, sys

import slixmpp

port, domain, secret, contacts = int(sys.argv[1]), *sys.argv[2:5]
# Messages between two turns of slixmpp's own sending: without turns nothing goes out before the last one is built.
TURN = 50
logging.basicConfig(level=logging.CRITICAL)


async def main():
    component = slixmpp.ComponentXMPP(domain, secret, "127.0.0.1", port)
    component.register_plugin("xep_0199")
    up = asyncio.Event()
    component.add_event_handler("session_start", lambda _: up.set())
    # slixmpp 1.8 and later differ in what connect() takes.
    later = hasattr(component, "enable_plaintext")
    connecting = component.connect("127.0.0.1", port) if later else component.connect()
    if inspect.isawaitable(connecting):
        asyncio.ensure_future(connecting)
    await asyncio.wait_for(up.wait(), 30)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        count, body = line.rstrip("\n").split(" ", 1)
        for number in range(int(count)):
            component.send_message(
                mto=f"u{number}@{contacts}", mbody=body, mtype="chat", mfrom=f"update@{domain}/slixmpp"
            )
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
        await component["xep_0199"].ping(jid=domain, ifrom=domain, timeout=300)
        print("done", flush=True)


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
