#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Twitter on loopback, API 2 and 1.1: verifies every OAuth 1.0a signature by an independent library (Debian's
python3-oauthlib, hence Debian's python3), and behaves by script.

    twitter_receiver.py [PORT]

An account's user id is the name of its case; its token is t-CASE with secret s-CASE, or access-CASE-N with refresh
token refresh-CASE-N. As Twitter does, it refuses a text that the account has posted before.

Prints "listening on PORT", then one JSON line for each request, before its answer:
{"case", "method", "path", "since", "valid", "why", "text", "answer", "posted"}: posted is how many statuses the account has.

A home timeline has Bob's statuses 201 to 203, and each status of the account itself with Bob's answer to it.
Ends at EOF on stdin.
"""

import base64, email.utils, http.server, json, re, socket, sys, threading, time, urllib.parse

from oauthlib.common import Request
from oauthlib.oauth1.rfc5849 import signature

CONSUMER = ("consumer", "consumer secret")
ERRORS = {
    "suspended": (403, 64, "Your account is suspended and is not permitted to access this feature."),
    "too-long": (403, 186, "Tweet needs to be a bit shorter."),
    "update-limit": (403, 185, "User is over daily status update limit."),
    "robot": (403, 226, "This request looks like it might be automated."),
    "locked": (403, 326, "To protect our users, this account is temporarily locked."),
    "no-access": (403, 453, "You currently have access to a subset of X API endpoints."),
    "unauthenticated": (401, 32, "Could not authenticate you."),
    "expired": (401, 89, "Invalid or expired token."),
    "bad-auth": (400, 215, "Bad Authentication data."),
    "forbidden": (403, 261, "Application cannot perform write actions."),
    "over-capacity": (503, 130, "Over capacity."),
    "internal": (500, 131, "Internal error."),
}
# Steps for an account's requests, one after the other; the last one for ever.
SCRIPTS = {
    "accept-cut": ["accept cut", "accept"],
    "accept-hang": ["accept hang", "accept"],
    "accept-html": ["accept html", "accept"],
    "html": ["html", "accept"],
    "limit": ["limit", "accept"],
    "over-capacity": ["over-capacity", "accept"],
    "internal": ["internal", "accept"],
    "revoked": ["accept", "expired"],
    "skewed": ["skew", "accept"],
    "portal": ["portal", "accept"],
}
SKEW = 3600
lock = threading.Lock()
posted, steps, nonces, spent, refreshes, ids = {}, {}, set(), set(), {}, {}


def check_signature(handler, url, body):
    """None where the request is signed as RFC 5849 wants it, else why not; and the account's case."""
    header = handler.headers.get("Authorization", "")
    fields = {key: urllib.parse.unquote(value) for key, value in re.findall(r'(oauth_\w+)="([^"]*)"', header)}
    token = fields.get("oauth_token", "")
    if not token.startswith("t-"):
        return "no token that this receiver gave", None
    case = token[2:]
    if fields.get("oauth_consumer_key") != CONSUMER[0] or fields.get("oauth_signature_method") != "HMAC-SHA1":
        return "another consumer key or method", case
    is_form = handler.headers.get("Content-Type", "") == "application/x-www-form-urlencoded"
    # oauthlib takes the body's parameters only where it is a form: JSON stays outside.
    pairs = signature.collect_parameters(
        uri_query=urllib.parse.urlsplit(url).query,
        body=body if is_form else "",
        headers={"Authorization": header},
        exclude_oauth_signature=True,
        with_realm=False,
    )
    request = Request(url, handler.command, body, {})
    request.params, request.signature = pairs, fields.get("oauth_signature", "")
    if not signature.verify_hmac_sha1(request, CONSUMER[1], "s-" + case):
        return "the signature does not fit", case
    now = time.time() + (SKEW if case == "skewed" and steps.get(case, 0) else 0)
    if abs(now - int(fields.get("oauth_timestamp", 0))) > 300:
        return "the timestamp is off", case
    with lock:
        used = (token, fields["oauth_timestamp"], fields["oauth_nonce"])
        if used in nonces:
            return "a nonce comes twice", case
        nonces.add(used)
    return None, case


def check_bearer(handler):
    """As check_signature for OAuth 2: only an account's newest access token is good, and never its first."""
    match = re.fullmatch(r"Bearer access-(.*)-(\d+)", handler.headers.get("Authorization", ""))
    if not match:
        return "no bearer token that this receiver gave", None
    case, number = match.group(1), int(match.group(2))
    return (None if number == refreshes.get(case, 0) and number > 0 else "an old token"), case


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document, kind="application/json", headers=()):
        content = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(timestamp or time.time(), usegmt=True)

    def error(self, status, code, message, headers=()):
        self.answer(status, {"errors": [{"code": code, "message": message}]}, headers=headers)

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        url = f"http://{self.headers['Host']}{self.path}"
        path = urllib.parse.urlsplit(url).path
        if path == "/2/oauth2/token":
            return self.refresh(body)
        is_bearer = self.headers.get("Authorization", "").startswith("Bearer ")
        why, case = check_bearer(self) if is_bearer else check_signature(self, url, body)
        line = {"case": case, "method": self.command, "path": path, "valid": why is None, "why": why, "text": None}
        line["since"] = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query)).get("since_id")
        if is_bearer and why == "an old token":
            return self.say({**line, "answer": "401"}, lambda: self.answer(401, {"title": "Unauthorized", "status": 401}))
        if why:
            return self.say({**line, "answer": "refused"}, lambda: self.error(401, 32, why))
        if self.command == "GET":
            return self.say({**line, "answer": "list"}, lambda: self.lists(case, path, url))
        if path in ("/2/tweets", "/1.1/statuses/update.json"):
            return self.post(line, case, body, is_v2=path.startswith("/2/"))
        self.say({**line, "answer": "done"}, lambda: self.answer(200, {"data": {"deleted": True, "retweeted": True}}))

    do_GET = do_POST = do_DELETE = handle_one

    def say(self, line, reply):
        with lock:
            print(json.dumps({**line, "posted": len(posted.get(line["case"], []))}), flush=True)
        reply()

    def post(self, line, case, body, is_v2):
        text = json.loads(body)["text"] if is_v2 else dict(urllib.parse.parse_qsl(body, True))["status"]
        with lock:
            number = steps.get(case, 0)
            steps[case] = number + 1
            script = SCRIPTS.get(case, [case if case in ERRORS or case == "duplicate" else "accept"])
            step = script[min(number, len(script) - 1)]
            is_new = text not in posted.setdefault(case, [])
            if step.startswith("accept") and is_new:
                posted[case].append(text)
                ids.setdefault(case, []).append(1000 * (1 + sum(len(own) for own in ids.values())))
        line = {**line, "text": text, "answer": step if is_new or step != "accept" else "duplicate"}
        self.say(line, lambda: self.react(step, case, text, is_new, is_v2))

    def react(self, step, case, text, is_new, is_v2):
        if step == "duplicate" or (step == "accept" and not is_new):
            if is_v2:
                detail = "You are not allowed to create a Tweet with duplicate content."
                return self.answer(403, {"title": "Forbidden", "detail": detail, "type": "about:blank", "status": 403})
            return self.error(403, 187, "Status is a duplicate.")
        if step == "accept":
            number = str(ids[case][-1])
            if is_v2:
                return self.answer(201, {"data": {"id": number, "text": text}})
            return self.answer(200, {"id": int(number), "id_str": number, "text": text})
        if step == "accept cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif step == "accept hang":
            time.sleep(600)
        elif step == "accept html" or step == "html":
            self.answer(200, "<html><body>Please wait</body></html>", "text/html")
        elif step == "portal":
            self.answer(403, "<html>Attention required</html>", "text/html")
        elif step == "limit":
            headers = (("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", str(int(time.time()) + 1)))
            self.answer(429, {"title": "Too Many Requests", "status": 429}, headers=headers)
        elif step == "skew":
            self.date_time_string = lambda timestamp=None: email.utils.formatdate(time.time() + SKEW, usegmt=True)
            self.error(401, 135, "Timestamp out of bounds.")
            del self.date_time_string
        else:
            self.error(*ERRORS[step])

    def refresh(self, body):
        form = dict(urllib.parse.parse_qsl(body, True))
        basic = base64.b64encode(b"client:client%20secret").decode()
        match = re.fullmatch(r"refresh-(.*)-(\d+)", form.get("refresh_token", ""))
        is_known = match and self.headers.get("Authorization") == f"Basic {basic}"
        case = match.group(1) if match else None
        with lock:
            is_good = bool(is_known) and form["refresh_token"] not in spent and case != "refresh-revoked"
            spent.add(form.get("refresh_token"))
            if is_good:
                refreshes[case] = int(match.group(2)) + 1
        line = {"case": case, "method": self.command, "path": "/2/oauth2/token", "valid": bool(is_known), "text": None}
        if not is_good:
            return self.say({**line, "answer": "spent"}, lambda: self.answer(400, {"error": "invalid_request"}))
        number = refreshes[case]
        if case.startswith("slow-"):
            time.sleep(0.5)  # others have the time to want a token, too
        tokens = {"access_token": f"access-{case}-{number}", "refresh_token": f"refresh-{case}-{number}", "expires_in": 7200}
        self.say({**line, "answer": "token"}, lambda: self.answer(200, tokens))

    def lists(self, case, path, url):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        user = {"id": "77", "id_str": "77", "username": "bob", "screen_name": "bob", "name": "Bob"}
        since = int(query.get("since_id", 0))
        me = {"id": case, "id_str": case, "username": case, "screen_name": case, "name": case}
        with lock:
            own = ids.get(case, [])
        # Newest first.
        found = sorted([(n, user) for n in (201, 202, 203)] + [(n, me) for n in own] + [(n + 1, user) for n in own])[::-1]
        if path.endswith("/reverse_chronological"):
            data = [
                {"id": str(n), "text": f"status {n}", "author_id": who["id"]} for n, who in found if n > since
            ]
            return self.answer(200, {"data": data, "includes": {"users": [user, me]}, "meta": {"result_count": len(data)}})
        if path.endswith("/home_timeline.json"):
            top = int(query.get("max_id", 10**9))
            data = [(n, who) for n, who in found if since < n <= top]
            return self.answer(200, [{"id_str": str(n), "full_text": f"status {n}", "user": who} for n, who in data])
        self.answer(200, {"data": [user], "users": [user], "meta": {"result_count": 1}, "next_cursor_str": "0"})

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), Receiver)
server.daemon_threads = True
print(f"listening on {server.server_address[1]}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
