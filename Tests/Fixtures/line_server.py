#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server of docs/plugins.md's second example: line_server.py [PORT]

It greets with READY, answers "PUT NUMBER TEXT" with "OK NUMBER", or "NO NUMBER unwanted" where TEXT begins with "refuse",
and ends the connection upon BYE. "mute" on its standard input: from now on it reads and doesn't answer.

Prints "listening on PORT", then "connected" for each connection and each line as it comes. Ends at EOF on stdin.
"""

import socketserver, sys, threading

is_mute = threading.Event()


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        print("connected", flush=True)
        self.wfile.write(b"READY\n")
        for line in self.rfile:
            line = line.decode().rstrip("\n")
            print(line, flush=True)
            word, _, rest = line.partition(" ")
            if word == "BYE":
                return
            number, _, text = rest.partition(" ")
            if not is_mute.is_set():
                answer = f"NO {number} unwanted\n" if text.startswith("refuse") else f"OK {number}\n"
                self.wfile.write(answer.encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


server = Server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), Connection)
print(f"listening on {server.server_address[1]}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
for command in sys.stdin:
    if command.strip() == "mute":
        is_mute.set()
        print("mute", flush=True)
