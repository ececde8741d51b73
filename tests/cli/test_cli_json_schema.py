"""The JSON Schema of cxflow.toml."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_runner import cxflow

import cxflow as package
from cxflow.cli import json_schema
from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.model.stream import Stream

ROOT = Path(package.__file__ or "").parents[1]
SCHEMA = json_schema.document(json_schema.built_in())


def faults(tree: dict[str, Any], schema: dict[str, Any] = SCHEMA) -> list[str]:
    """What the schema has against a TOML tree; times as they are written."""
    written = json.loads(json.dumps(tree, default=lambda instant: instant.isoformat()))
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [fault.message for fault in validator.iter_errors(written)]


def stream(**changes: Any) -> dict[str, Any]:
    """A project of one stream, with changes."""
    declared = {
        "path": "a.csv",
        "primary_key": ["id"],
        "to": {"touchpoint": {"activity": "'placed_order'", "occurred_at": "at", "where": "id > 0"}},
    }
    return {"connections": {"shop": {"connector": "files", "streams": {"orders": {**declared, **changes}}}}}


def templated(settings: dict[str, Any], **own: Any) -> dict[str, Any]:
    """A project of one stream that has a template."""
    streams = {"orders": {"template": "all", **own}}
    return {
        "templates": {"all": settings},
        "connections": {"shop": {"connector": "files", "streams": streams}},
    }


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_demos_configuration_is_valid() -> None:
    path = ROOT / "plugins" / "cxflow-demo" / "src" / "cxflow_demo" / "cxflow.toml"
    installed = json_schema.document(registry.connectors(registry.plugins()))
    assert faults(tomllib.loads(path.read_text(encoding="utf-8")), installed) == []


def test_the_first_projects_configuration_is_valid(loaded: Path) -> None:
    assert faults(tomllib.loads((loaded / "cxflow.toml").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"to": {"touchpoint": [{"activity": "'a_b'"}, {"for_each": "items", "activity": "'a_b'"}]}},
        {"path": ["a.csv", "b.csv"]},
        {"primary_key": "id", "pii": "email", "may_lack": "note", "time_formats": "iso", "null_values": "NA"},
        {"look_back": 3600},
        {"look_back": "PT1H"},
        {"policies": {"new_column": "stop"}},
        {"expect": [{"table": "touchpoint", "rule": "r", "type": "expect_x", "with": {"column": "a"}}]},
    ],
)
def test_what_cxflow_takes_is_valid(changes: dict[str, Any]) -> None:
    assert faults(stream(**changes)) == []


def test_a_stream_may_leave_to_its_template_what_it_requires() -> None:
    mapping = {"touchpoint": {"activity": "'placed_order'"}}
    assert faults(templated({"primary_key": "id", "to": mapping}, path="a.csv")) == []
    assert faults(templated({"delimiter": ";"}, path="a.csv", to={"touchpoint": {"channel": "'web'"}})) == []
    assert faults(templated({"table": "orders", "cursor": "at"})) == []  # of the connector sql


@pytest.mark.parametrize(
    "tree",
    [
        templated({"primry_key": "id"}),
        templated({"template": "other"}),
        templated({"name": "orders"}),
        templated({}, primry_key="id"),
        templated({}, template=["all"]),
        stream(primry_key=["id"]),
        stream(name="orders"),
        stream(primary_key=[]),
        stream(pii=5),
        stream(to={"touchpoint": {"activity": 1}}),
        stream(policies={"new_column": "ignore"}),
        {"projekt": {}},
        {"project": {"currency": "euro"}},
        {"connections": {"shop": {"connector": "none"}}},
        {"connections": {"shop": {"connector": "files", "streams": {"orders": {"path": "a.csv"}}}}},
    ],
)
def test_what_cxflow_refuses_is_not(tree: dict[str, Any]) -> None:
    assert faults(tree) != []


def test_of_a_declared_stream_only_changes_are_said() -> None:
    class Desk(Connector):
        name = "desk"
        title = "A desk"
        declared = (Stream(name="tickets", primary_key=("id",), to={"touchpoint": {}}),)

    schema = json_schema.document({"desk": Desk})

    def desk(streams: dict[str, Any]) -> dict[str, Any]:
        return {"connections": {"help": {"connector": "desk", "streams": streams}}}

    assert faults(desk({"tickets": {"look_back": 60}}), schema) == []
    assert faults(desk({"tickets": {"look_bak": 60}}), schema) != []
    assert faults(desk({"calls": {"look_back": 60}}), schema) != []


def test_of_streams_that_depend_on_the_connection_only_changes_are_said() -> None:
    class Shop(Connector):
        name = "shop"
        title = "A shop"

        def known_streams(self) -> list[Stream]:
            return [Stream(name=str(self.connection.timezone), primary_key=("id",), to={"touchpoint": {}})]

    schema = json_schema.document({"shop": Shop})
    for wrong, changes in ((False, {"look_back": 60}), (True, {"look_bak": 60})):
        tree = {"connections": {"a": {"connector": "shop", "streams": {"orders": changes}}}}
        assert bool(faults(tree, schema)) == wrong


def test_the_command_prints_it_with_every_connector(loaded: Path) -> None:
    printed = cxflow("schema", project=loaded).json
    titles = [each["title"] for each in printed["properties"]["connections"]["additionalProperties"]["anyOf"]]
    assert "A connection of files" in titles
