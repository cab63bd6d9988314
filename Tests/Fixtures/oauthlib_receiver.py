#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An OMB subscriber that verifies by an independent OAuth library (Debian's python3-oauthlib, hence Debian's python3).

    oauthlib_receiver.py [--secrets FILE]

Target N is /omb/N/postnotice and /omb/N/updateprofile. FILE: JSON, token to secret; without it token tN has secret sN.
Prints "listening on PORT", then one JSON line for each request: {"path", "valid", "why", "form"}. Ends at EOF on stdin.
"""

import http.server, json, sys, threading, urllib.parse

from oauthlib.common import Request
from oauthlib.oauth1.rfc5849 import signature

OMB = "http://openmicroblogging.org/protocol/0.1"
SECRETS = json.load(open(sys.argv[2])) if sys.argv[1:2] == ["--secrets"] else None
nonces, lock = set(), threading.Lock()


def verdict(handler, body):
    """None where the request is as OMB 0.1 and RFC 5849 want it, else why not."""
    url = f"http://{handler.headers['Host']}{handler.path}"
    pairs = signature.collect_parameters(
        uri_query=urllib.parse.urlsplit(url).query, body=body, exclude_oauth_signature=False, with_realm=False
    )
    fields = dict(pairs)
    if len(fields) != len(pairs):
        return "a parameter comes twice"
    for name in ("oauth_consumer_key", "oauth_token", "oauth_nonce", "oauth_timestamp", "oauth_signature"):
        if not fields.get(name):
            return f"{name} is missing"
    if fields.get("oauth_signature_method") != "HMAC-SHA1" or fields.get("oauth_version", "1.0") != "1.0":
        return "oauth_signature_method or oauth_version is another"
    if fields.get("omb_version") != OMB:
        return "omb_version is missing"
    token = fields["oauth_token"]
    secret = SECRETS.get(token) if SECRETS is not None else "s" + token[1:]
    if secret is None:
        return "an unknown token"
    if SECRETS is None and handler.path.split("/")[2] != token[1:]:
        return "another target's token"
    request = Request(url, handler.command, body, dict(handler.headers))
    request.params = [pair for pair in pairs if pair[0] != "oauth_signature"]
    request.signature = fields["oauth_signature"]
    if not signature.verify_hmac_sha1(request, "", secret):
        return "the signature does not fit"
    with lock:
        used = (token, fields["oauth_timestamp"], fields["oauth_nonce"])
        if used in nonces:
            return "a nonce comes twice"
        nonces.add(used)
    return None


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        why = verdict(self, body)
        line = {"path": self.path, "valid": why is None, "why": why, "form": dict(urllib.parse.parse_qsl(body, True))}
        with lock:
            print(json.dumps(line), flush=True)
        answer = (why or f"omb_version={OMB}").encode()
        self.send_response(200 if why is None else 401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
print(f"listening on {server.server_address[1]}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
