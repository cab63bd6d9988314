#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a store has of deliveries that haven't ended, while its broker stands still: a line each, as DemoReceiver logs them.

    unsettled.py STORE

Prints "PATH NOTICE" for each item that is ready, delayed or parked (claimed isn't in the store), PATH of its target's URL.
"""

import sqlite3, sys, urllib.parse

ENDED = "(3, 4, 5)"

store = sqlite3.connect(f"file:{urllib.parse.quote(sys.argv[1])}?mode=ro", uri=True, timeout=5)
query = f"""
    SELECT item.target, notice.uri FROM item JOIN notice ON notice.id = item.notice
    WHERE item.target IS NOT NULL AND item.state NOT IN {ENDED}
"""
for target, notice in store.execute(query):
    print(urllib.parse.urlsplit(target).path, notice)
