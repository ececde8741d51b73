"""Real programs from the package index: a Singer tap, and Airbyte's runner of declared connectors."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cxflow.testing import TestProject

pytestmark = pytest.mark.long

STREAM: dict[str, Any] = {
    "primary_key": "id",
    "pii": ["email"],
    "identifiers": {"email": "email"},
    "to": {
        "touchpoint": {
            "activity": "'contacted_support'",
            "channel": "case when note is null then 'web' else 'phone' end",
            "occurred_at": "created_at",
        }
    },
}
TICKETS = [
    {"id": 1, "email": "ana@example.org", "created_at": "2026-03-01T10:00:00Z", "note": None},
    {"id": 2, "email": "ben@example.org", "created_at": "2026-03-02T10:00:00Z", "note": None},
]


def bridge(folder: Path, *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("cxflow")), "--project", str(folder), "bridge", "install"]
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout


def test_a_real_tap(tmp_path: Path) -> None:
    (tmp_path / "tickets.jsonl").write_text("".join(json.dumps(each) + "\n" for each in TICKETS))
    connection = {
        "connector": "singer",
        "program": "tap-jsonl",
        "config": {
            "path": str(tmp_path / "tickets.jsonl"),
            "stream_name": "tickets",
            "primary_keys": ["id"],
        },
        "streams": {"tickets": STREAM},
    }
    project = TestProject(tmp_path, {"connections": {"export": connection}})
    assert "tap-jsonl" in bridge(tmp_path, "tap-jsonl==0.3.1")
    assert project.run()["export.tickets"].counts.inserted == 2
    assert project.query("SELECT DISTINCT channel FROM touchpoint") == [("web",)]
    counts = project.run()["export.tickets"].counts
    assert (counts.inserted, counts.updated) == (0, 0)


@pytest.fixture
def service() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"tickets": TICKETS}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_real_airbyte_connector(tmp_path: Path, service: str) -> None:
    requester = {"type": "HttpRequester", "url_base": service, "path": "/tickets", "http_method": "GET"}
    extractor = {"type": "DpathExtractor", "field_path": ["tickets"]}
    properties = {name: {"type": ["null", "string"]} for name in ("email", "created_at", "note")}
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, **properties}}
    manifest = {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["tickets"]},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "tickets",
                "primary_key": ["id"],
                "retriever": {
                    "type": "SimpleRetriever",
                    "requester": requester,
                    "record_selector": {"type": "RecordSelector", "extractor": extractor},
                },
                "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
            }
        ],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    }
    connection = {
        "connector": "airbyte",
        "program": "source-declarative-manifest",
        "environment": "declared",
        "config": {"__injected_declarative_manifest": manifest},
        "streams": {"tickets": STREAM},
    }
    project = TestProject(tmp_path, {"connections": {"api": connection}})
    bridge(tmp_path, "airbyte-source-declarative-manifest==6.5.2", "--as", "declared")
    assert project.run()["api.tickets"].counts.inserted == 2
    assert project.query("SELECT DISTINCT channel FROM touchpoint") == [("web",)], "it leaves nulls out"
