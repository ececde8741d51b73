"""The suite that every connector passes, for both protocols: on programs that go on from their state."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bridge_programs as programs
from cxflow.testing import conformance

_PROGRAM = """#!{python}
import json, sys

COUNT, STATE_EVERY = 2500, 500
SCHEMA = json.loads({schema!r})
arguments = sys.argv[1:]


def option(name):
    return json.load(open(arguments[arguments.index(name) + 1])) if name in arguments else None


def write(message):
    print(json.dumps(message))


def ticket(number):
    return {{
        "id": number,
        "email": f"person{{number % 300}}@example.org" if number % 3 else None,
        "created_at": f"2026-03-{{number % 28 + 1:02}}T10:00:00Z",
        "note": "called" if number % 5 == 0 else None,
    }}


def singer():
    names = dict.fromkeys(("tap_stream_id", "stream"), "tickets")
    entry = {{**names, "key_properties": ["id"], "schema": SCHEMA, "metadata": []}}
    if "--discover" in arguments:
        return write({{"streams": [entry]}})
    state = option("--state") or {{}}
    write({{"type": "SCHEMA", "stream": "tickets", "schema": SCHEMA, "key_properties": ["id"]}})
    for number in range(state.get("bookmarks", {{}}).get("tickets", {{}}).get("id", 0) + 1, COUNT + 1):
        write({{"type": "RECORD", "stream": "tickets", "record": ticket(number)}})
        if number % STATE_EVERY == 0:
            write({{"type": "STATE", "value": {{"bookmarks": {{"tickets": {{"id": number}}}}}}}})


def airbyte():
    if "discover" in arguments:
        stream = {{"name": "tickets", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh", "incremental"]}}
        return write({{"type": "CATALOG", "catalog": {{"streams": [stream]}}}})
    kept = option("--state") or []
    for number in range(kept[0]["stream"]["stream_state"]["id"] + 1 if kept else 1, COUNT + 1):
        write({{"type": "RECORD", "record": {{"stream": "tickets", "data": ticket(number), "emitted_at": 1}}}})
        if number % STATE_EVERY == 0:
            place = {{"stream_descriptor": {{"name": "tickets"}}, "stream_state": {{"id": number}}}}
            write({{"type": "STATE", "state": {{"type": "STREAM", "stream": place}}}})


{protocol}()
"""


def _connection(connector: str) -> dict[str, Any]:
    touchpoint = {
        "activity": "'contacted_support'",
        "channel": "CASE WHEN note IS NULL THEN 'web' ELSE 'phone' END",
        "occurred_at": "created_at",
    }
    tickets = {
        "primary_key": "id",
        "pii": ["email"],
        "identifiers": {"email": "email"},
        "to": {"touchpoint": touchpoint},
    }
    return {"connector": connector, "program": "tap-desk", "streams": {"tickets": tickets}}


def _source(protocol: str) -> Any:
    def write(folder: Path) -> None:
        text = _PROGRAM.format(python=sys.executable, schema=json.dumps(programs.TICKET), protocol=protocol)
        programs.install(folder, "tap-desk", text)

    return write


TestSinger = conformance(_connection("singer"), _source("singer"))
TestAirbyte = conformance(_connection("airbyte"), _source("airbyte"))
