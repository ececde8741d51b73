"""Checks of what a connector declares: its settings, its streams, its documentation. Part of the conformance suite."""

from __future__ import annotations

import importlib.metadata
import re
import types
from typing import Any, get_args

import pytest

from cxflow import sources
from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.errors import CxflowError
from cxflow.model.secret import Secret
from cxflow.model.window import Window
from cxflow.settings import Connection
from cxflow.testing import pulled
from cxflow.testing.sample import NAME, Sample
from cxflow.warehouse import tables

_SECRET = re.compile(r"(^|_)(token|secret|password|api_key)$")
_SHORTEST = 6
"""Characters of a personal text that is looked for in records: shorter ones may be there by chance."""


class DeclarationChecks:
    """What can be told without reading, or from what was read."""

    def test_it_says_what_it_is(self, sample: Sample) -> None:
        """It can be found, and has a title and a version."""
        known = registry.connectors(registry.of_project(sample.project.settings))
        connector = known[sample.project.settings.connections[NAME]["connector"]]
        assert connector.title, "a title says what it reads"
        assert connector.version() != "not installed", "its distribution is installed under that name"

    def test_its_settings_are_described_and_its_secrets_are_secrets(self, sample: Sample) -> None:
        """Its own settings have descriptions; what is named like a secret is a `Secret`, what says whose account it is
        a text."""
        model = type(sample.connector()).connection_model
        described = model.model_json_schema()["properties"]
        for name in model.model_fields.keys() - Connection.model_fields.keys():
            assert described[name].get("description"), f"the setting {name} has no description"
            if _SECRET.search(name):
                kinds = _kinds(model.model_fields[name].annotation)
                assert Secret in kinds, f"the setting {name} is shown as it is: it should be a Secret"
        for name in model.account_settings:
            assert name in model.model_fields, f"account_settings names {name}, which is no setting"
            kinds = _kinds(model.model_fields[name].annotation)
            assert kinds <= {str, types.NoneType}, f"account_settings names {name}, which is no text"

    def test_its_documentation_names_every_stream(self, sample: Sample) -> None:
        """The README of its distribution names the connector and its streams."""
        connector = sample.connector()
        if connector.distribution == Connector.distribution:
            pytest.skip("it has no distribution of its own")
        text = _readme(connector.distribution)
        assert text, f"{connector.distribution} has no README"
        for name in (*(stream.name for stream in connector.known_streams()), connector.name):
            assert re.search(rf"\b{re.escape(name)}\b", text), f"the README does not name {name}"

    def test_its_mappings_are_valid(self, sample: Sample) -> None:
        """`cxflow lint` finds no fault."""
        assert sources.lint(sample.project.settings, NAME)

    def test_every_stream_can_be_checked_and_planned_without_reading(self, sample: Sample) -> None:
        """`cxflow doctor` and a plan load and land nothing."""
        project = sample.new_project()
        for stream in sample.streams:
            sources.doctor(project.settings, NAME, stream)
            assert sources.plan(project.settings, NAME, stream, Window(None, sample.end), "scheduled")
            connector = sources.open_connection(project.settings, NAME)
            assert all(each.name for each in connector.datasets(connector.stream(stream)))
        assert project.query("SELECT count(*) FROM load_run") == [(0,)]
        assert not (project.folder / "landing").exists()

    def test_an_unknown_setting_is_named(self, sample: Sample) -> None:
        """A misspelt setting of the connection is refused."""
        configuration = sample.kit.configuration(sample.url)
        configuration["connections"][NAME]["no_such_setting"] = 1
        sample.project.reconfigure(configuration)
        try:
            with pytest.raises(CxflowError, match="no_such_setting"):
                sources.lint(sample.project.settings, NAME)
        finally:
            sample.project.reconfigure(sample.kit.configuration(sample.url))

    def test_personal_values_are_tagged(self, sample: Sample) -> None:
        """What the mapping puts into a masked column, and what looks like an e-mail address or a telephone number, is
        in the stream's `pii`."""
        assert sample.loaded
        masked = _masked_texts(sample)
        for name, stream in sample.connector().streams.items():
            tagged = [each.replace('"', "") for each in stream.pii]
            for document in pulled.documents(sample.whole(name).records):
                for path, value in pulled.leaves(document):
                    if (isinstance(value, str) and value in masked) or pulled.looks_personal(value):
                        known = any(path == each or path.startswith(f"{each}.") for each in tagged)
                        assert known, f"{name}.{path} holds personal data, and is not in pii"


def _kinds(annotation: Any) -> set[Any]:
    """The types of a setting; of a union, each."""
    if isinstance(annotation, types.UnionType) or get_args(annotation):
        return {kind for inner in get_args(annotation) for kind in _kinds(inner)}
    return {annotation}


def _readme(distribution: str) -> str:
    """The README of an installed distribution, as its metadata have it."""
    metadata = importlib.metadata.metadata(distribution)
    payload = metadata.json.get("description", "")
    return str(payload)


def _masked_texts(sample: Sample) -> set[str]:
    """The texts in columns that the views mask."""
    found: set[str] = set()
    for table in tables.CANONICAL.values():
        for column in table.columns:
            if column.info.get("pii"):
                rows = sample.project.query(f"SELECT DISTINCT {column.name} FROM {table.name}")
                found |= {value for (value,) in rows if isinstance(value, str) and len(value) >= _SHORTEST}
    return found
