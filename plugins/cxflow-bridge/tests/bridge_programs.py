"""Programs that speak the two protocols as their documents say, and misbehave when told to."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

PROGRAM = """#!{python}
import json, os, signal, sys, time
told = json.loads({told!r})
arguments = sys.argv[1:]
def option(name):
    return json.load(open(arguments[arguments.index(name) + 1])) if name in arguments else None
config = option("--config")
with open(told["log"], "a") as log:
    log.write(json.dumps({{"arguments": arguments, "config": config, "state": option("--state"),
        "catalog": option("--catalog"), "environment": dict(os.environ)}}) + "\\n")
if "--discover" in arguments or "discover" in arguments:
    print(told["discover"])
    sys.exit(0)
for line in told["lines"]:
    print(line, flush=True)
for line in told["stderr"]:
    print(line, file=sys.stderr)
if told["signal"]:
    os.kill(os.getpid(), told["signal"])
sys.exit(told["exit"])
"""


def write(folder: Path, name: str, discover: Any, lines: list[Any], **more: Any) -> Path:
    """A program in its environment below a project's folder; returns the log of its runs."""
    log = folder / f"{name}.log"
    log.unlink(missing_ok=True)
    told = {
        "log": str(log),
        "discover": discover if isinstance(discover, str) else json.dumps(discover),
        "lines": [line if isinstance(line, str) else json.dumps(line) for line in lines],
        "stderr": [],
        "signal": 0,
        "exit": 0,
        **more,
    }
    install(folder, name, PROGRAM.format(python=sys.executable, told=json.dumps(told)))
    return log


def install(folder: Path, name: str, text: str) -> None:
    """Put a program where the bridge looks for it: in its environment below a project's folder."""
    program = folder / ".cxflow" / "bridges" / name / "bin" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def runs(log: Path) -> list[dict[str, Any]]:
    """What the program was asked, run by run, discoveries left out."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [each for each in found if not {"--discover", "discover"} & set(each["arguments"])]


TICKET = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": ["null", "string"]},
        "created_at": {"type": "string", "format": "date-time"},
        "note": {"type": ["null", "string"]},
    },
}
SINGER = {
    "streams": [
        {
            "tap_stream_id": "tickets",
            "stream": "tickets",
            "key_properties": ["id"],
            "schema": TICKET,
            "metadata": [],
        },
        {"tap_stream_id": "other", "stream": "other", "schema": {}},
    ]
}
AIRBYTE = {
    "type": "CATALOG",
    "catalog": {
        "streams": [
            {
                "name": "tickets",
                "json_schema": TICKET,
                "supported_sync_modes": ["full_refresh", "incremental"],
            }
        ]
    },
}


def ticket(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "email": f"person{number}@example.org",
        "created_at": f"2026-03-{number % 28 + 1:02}T10:00:00Z",
        **more,
    }


def singer(number: int, stream: str = "tickets", **more: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": ticket(number, **more)}


def singer_state(number: int) -> dict[str, Any]:
    return {"type": "STATE", "value": {"bookmarks": {"tickets": {"id": number}}}}


def airbyte(number: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "RECORD",
        "record": {"stream": "tickets", "data": ticket(number, **more), "emitted_at": 1},
    }


def airbyte_state(number: int, count: float | None = None) -> dict[str, Any]:
    state: dict[str, Any] = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "tickets"}, "stream_state": {"id": number}},
    }
    if count is not None:
        state["sourceStats"] = {"recordCount": count}
    return {"type": "STATE", "state": state}
