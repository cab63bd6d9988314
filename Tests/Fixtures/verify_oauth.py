#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Verifies signed form bodies with python3-oauthlib, an OAuth implementation that isn't ours.

Reads one JSON object a line: method, url, body, consumer_key, consumer_secret, token, token_secret.
Prints one line for each: "ok", or what is wrong. Exit 3 where oauthlib is missing.
"""
import json
import sys

try:
    from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint
except ImportError:
    print("python3-oauthlib is missing: apt install python3-oauthlib", file=sys.stderr)
    sys.exit(3)


class Validator(RequestValidator):
    """Knows one client with one token, and takes every nonce once."""

    enforce_ssl = False
    # Fixtures have clocks of their own.
    timestamp_lifetime = 10**10
    nonces = set()

    def __init__(self, case):
        super().__init__()
        self.case = case

    # OMB's consumer keys are URLs and its nonces 32 hexadecimal digits; oauthlib's defaults are narrower.
    def check_client_key(self, client_key):
        return client_key == self.case["consumer_key"]

    def check_nonce(self, nonce):
        return len(nonce) >= 16 and nonce.isalnum()

    def validate_client_key(self, client_key, request):
        return client_key == self.case["consumer_key"]

    def validate_timestamp_and_nonce(self, client_key, timestamp, nonce, request, request_token=None, access_token=None):
        is_new = nonce not in self.nonces
        self.nonces.add(nonce)
        return is_new

    def get_client_secret(self, client_key, request):
        return self.case["consumer_secret"]

    def get_access_token_secret(self, client_key, token, request):
        return self.case["token_secret"]


class Endpoint(SignatureOnlyEndpoint):
    """Checks the token's secret too: SignatureOnlyEndpoint leaves it out."""

    def verdict(self, case):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        request = self._create_request(case["url"], case["method"], case["body"], headers)
        self._check_transport_security(request)
        self._check_mandatory_parameters(request)
        if request.resource_owner_key != case["token"]:
            return "the token is " + repr(request.resource_owner_key)
        validator = self.request_validator
        if not validator.validate_timestamp_and_nonce(request.client_key, request.timestamp, request.nonce, request):
            return "the nonce was used before"
        return "ok" if self._check_signature(request) else "the signature doesn't match"


def verify(line):
    case = json.loads(line)
    try:
        return Endpoint(Validator(case)).verdict(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


for line in sys.stdin:
    print(verify(line), flush=True)
