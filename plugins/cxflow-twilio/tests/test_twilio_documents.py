"""Twilio's OpenAPI documents: the imitation's answers keep to them, and the connector reads their examples."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from account import ACCOUNT, WORKSPACE
from conftest import settings
from cxflow.testing import TestProject, answers
from cxflow.testing.service import served
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cxflow_twilio.service import TwilioService

CALLS = "/2010-04-01/Accounts/{AccountSid}/Calls.json"
EVENTS = "/v1/Workspaces/{WorkspaceSid}/Events"
OF = {CALLS: "twilio_api_v2010.json", EVENTS: "spec/json/twilio_taskrouter_v1.json"}
EXAMPLES_ACCOUNT = "AC" + "a" * 32


def document(path: str) -> dict[str, Any]:
    """The document that describes a path."""
    found: dict[str, Any] = json.loads((answers.recorded("twilio") / OF[path]).read_text("utf-8"))
    return found


def answer_of(path: str) -> dict[str, Any]:
    """The schema and the examples of its answer, as the document has them."""
    content = document(path)["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    return dict(content)


TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def faults(value: Any, schema: dict[str, Any], known: dict[str, Any], at: str = "") -> list[str]:
    """Where a value breaks a schema: types, nulls, patterns, words of an enumeration, keys that it does not have."""
    if "$ref" in schema:
        schema = {**known[schema["$ref"].rpartition("/")[2]], **schema}
    if value is None:
        return [] if schema.get("nullable") else [f"{at}: null"]
    kind = schema.get("type")
    if kind in TYPES and (not isinstance(value, TYPES[kind]) or (kind == "integer" and value is True)):
        return [f"{at}: {value!r} is no {kind}"]
    found = []
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{at}: {value!r} is not {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name in schema["properties"]:
                found += faults(inner, schema["properties"][name], known, f"{at}.{name}")
            else:
                found.append(f"{at}.{name}: there is no such key")
    if isinstance(value, list):
        found += [fault for each in value for fault in faults(each, schema["items"], known, f"{at}[]")]
    return found


@pytest.mark.parametrize(
    ("path", "query"), [(CALLS, "?PageSize=3"), (CALLS, ""), (EVENTS, "?Minutes=43200"), (EVENTS, "")]
)
def test_the_imitation_answers_as_the_document_says(twilio: TwilioService, path: str, query: str) -> None:
    client = TestClient(twilio.application())
    client.auth = (twilio.key_sid, twilio.secret)
    made = client.get(path.format(AccountSid=ACCOUNT, WorkspaceSid=WORKSPACE) + query).json()
    schema = answer_of(path)["schema"]
    assert faults(made, schema, document(path)["components"]["schemas"]) == []
    assert made.keys() == schema["properties"].keys()


def test_a_fault_against_a_document_is_found() -> None:
    schema, known = answer_of(CALLS)["schema"], document(CALLS)["components"]["schemas"]
    wrong = {"calls": [{"sid": "CA1", "status": "gone", "duration": 4, "price": None, "x": 1}], "page": "0"}
    assert [each.partition(":")[0] for each in faults(wrong, schema, known)] == [
        ".calls[].sid",
        ".calls[].status",
        ".calls[].duration",
        ".calls[].x",
        ".page",
    ]


def test_the_examples_of_the_document_are_read(
    tmp_path: Path, twilio: TwilioService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in twilio.environment.items():
        monkeypatch.setenv(name, value)
    # Its examples are pages of many, and of each there is one.
    example = answer_of(CALLS)["examples"]["readFullPage1"]["value"] | {"next_page_uri": None}
    with served(Starlette(routes=[Route("/{path:path}", lambda _: JSONResponse(example))])) as url:
        connection = {**twilio.connection(url), "account_sid": EXAMPLES_ACCOUNT}
        project = TestProject(tmp_path, settings(connection))
        start, end = datetime(2019, 10, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
        counts = project.run("voice", "calls", mode="backfill", start=start, end=end)["voice.calls"].counts
    assert (counts.extracted, counts.quarantined) == (len(example["calls"]), 0)
    assert counts.inserted == len({each["sid"] for each in example["calls"]}) > 0
