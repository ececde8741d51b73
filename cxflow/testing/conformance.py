"""The conformance suite for connectors, as a pytest class. Called by plugins' tests.

Each test runs the connector through all stages, on a sample source that the plugin's author provides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cxflow import flow
from cxflow.connect import registry
from cxflow.errors import ConfigError, CxflowError, SourceError
from cxflow.model.window import Window
from cxflow.testing import broken_reading, faults
from cxflow.testing.project import TestProject
from cxflow.warehouse import ledger

Source = Callable[[Path], None]
"""Writes the sample source into the project's folder (or starts a server for it)."""

NewWarehouse = Callable[[], Mapping[str, Any]]
"""Creates an empty database, and returns the `[warehouse]` of a project that uses it."""


def conformance(
    connection: Mapping[str, Any] | Callable[[str], Mapping[str, Any]],
    source: Source = lambda _: None,
    *,
    service: Callable[[], Any] | None = None,
    project: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> type:
    """A pytest class that tests a connector.

    `connection` is its table in `cxflow.toml`, `project` further tables, `environment` the environment variables that
    it needs. `source` is called once per test. `service` makes an ASGI application, one per test, which is served on
    loopback: its address becomes the connection's `base_url`, or `connection` makes the table from it. The sample must
    have at least one record per stream.
    """
    configuration: dict[str, Any] = {**(project or {}), "connections": {"sample": {}}}

    def connect(url: str) -> None:
        """Let the connection lead to the service at this address, if it is one to a service."""
        if callable(connection):
            found = dict(connection(url))
        else:
            found = dict(connection) | ({"base_url": url, "private_network": True} if url else {})
        configuration["connections"]["sample"] = found

    class Conformance:
        """The suite, for one connector."""

        @pytest.fixture
        def new_warehouse(self) -> NewWarehouse:
            """The `[warehouse]` of each project: a DuckDB file, unless a subclass overrides it."""
            return dict

        @pytest.fixture
        def sample(
            self,
            tmp_path: Path,
            monkeypatch: pytest.MonkeyPatch,
            new_warehouse: NewWarehouse,
            request: pytest.FixtureRequest,
        ) -> TestProject:
            for name, value in (environment or {}).items():
                monkeypatch.setenv(name, value)
            source(tmp_path)
            connect(request.getfixturevalue("service_address") if service is not None else "")
            return TestProject(tmp_path, configuration, warehouse=new_warehouse())

        @pytest.fixture
        def service_address(self) -> Iterator[str]:
            """Where the service is."""
            from cxflow.testing.service import served

            assert service is not None
            with served(service()) as url:
                yield url

        def test_it_says_what_it_is(self, sample: TestProject) -> None:
            known = registry.connectors(registry.of_project(sample.settings))
            connector = known[configuration["connections"]["sample"]["connector"]]
            assert connector.title, "a title says what it reads"
            assert connector.version() != "not installed", "its distribution is installed under that name"
            assert connector.connection_model.model_json_schema(), "its settings have a JSON Schema"

        def test_its_mappings_are_valid(self, sample: TestProject) -> None:
            assert flow.lint(sample.settings, "sample")

        def test_every_stream_can_be_checked_and_planned_without_reading(self, sample: TestProject) -> None:
            window = Window(None, datetime.now(UTC))
            for stream in flow.streams(sample.settings, "sample"):
                flow.doctor(sample.settings, "sample", stream)
                assert flow.plan(sample.settings, "sample", stream, window, "scheduled")
            assert sample.query("SELECT count(*) FROM load_run") == [(0,)]
            assert not (sample.folder / "landing").exists()

        def test_its_reading_can_be_ended_after_the_first_record(self, sample: TestProject) -> None:
            window = Window(None, datetime.now(UTC))
            for stream in flow.streams(sample.settings, "sample"):
                tried = flow.try_first(sample.settings, "sample", stream, window, "scheduled", records=1)
                assert tried.records == 1, "reading may stop after any item"
            assert sample.query("SELECT count(*) FROM load_run") == [(0,)]
            assert not (sample.folder / "landing").exists()

        def test_every_record_is_accounted_for(self, sample: TestProject) -> None:
            for name, report in sample.run().items():
                assert report.counts.extracted > 0, f"the sample has no record of {name}"
                assert report.counts.balanced
            assert sample.books_balance()

        def test_a_second_scheduled_run_changes_nothing(self, sample: TestProject) -> None:
            sample.run()
            before = sample.digest()
            for report in sample.run().values():
                counts = report.counts
                assert (counts.inserted, counts.updated, counts.deleted) == (0, 0, 0)
            assert sample.digest() == before

        def test_a_backfill_equals_a_scheduled_run_and_leaves_the_cursor_alone(
            self,
            sample: TestProject,
            tmp_path_factory: pytest.TempPathFactory,
            new_warehouse: NewWarehouse,
        ) -> None:
            sample.run()
            other_folder = tmp_path_factory.mktemp("backfilled")
            source(other_folder)
            other = TestProject(other_folder, configuration, warehouse=new_warehouse())
            other.run(mode="backfill")
            assert other.digest() == sample.digest()
            for stream in flow.streams(other.settings, "sample"):
                assert ledger.cursor(other.settings, "sample", stream) == {}
                assert ledger.position(other.settings, "sample", stream) is None

        def test_an_interrupted_reading_resumes_after_its_last_checkpoint(self, sample: TestProject) -> None:
            connector = flow.open_connection(sample.settings, "sample")
            window = Window(None, datetime.now(UTC))
            found = 0
            for stream in connector.streams.values():
                if not connector.can_resume:
                    continue
                whole, checkpoints = broken_reading.whole(sample.settings, connector, stream, window)
                found += len(checkpoints)
                for place in sorted({1, len(checkpoints) // 2 + 1, len(checkpoints)} if checkpoints else ()):
                    rest = broken_reading.in_two(sample.settings, connector, stream, window, place)
                    assert rest == whole, f"{stream.name}, resumed after checkpoint {place}, differs"
                told = json.dumps(checkpoints)
                spoken = any(value in told for value in self._personal_values(sample))
                assert not spoken, f"a checkpoint of {stream.name} holds personal data"
            assert found or not connector.can_resume, (
                "the sample is too small: no page of it has a checkpoint"
            )

        def test_a_window_before_everything_is_empty(self, sample: TestProject) -> None:
            long_ago = datetime(1990, 1, 1, tzinfo=UTC)
            connector = flow.open_connection(sample.settings, "sample")
            for name, stream in connector.streams.items():
                if connector.is_windowed(stream):
                    span = (long_ago, long_ago + timedelta(days=1))
                    reports = sample.run(stream=name, mode="backfill", start=span[0], end=span[1])
                    assert {report.counts.extracted for report in reports.values()} == {0}

        def test_its_cursor_holds_no_personal_data(self, sample: TestProject) -> None:
            sample.run()
            values = self._personal_values(sample)
            for stream in flow.streams(sample.settings, "sample"):
                cursor = json.dumps(ledger.cursor(sample.settings, "sample", stream))
                assert not [value for value in values if value in cursor]

        def test_the_ledger_holds_no_personal_data(self, sample: TestProject) -> None:
            sample.run()
            reports = " ".join(str(row) for row in sample.query("SELECT report FROM load_run"))
            assert not [value for value in self._personal_values(sample) if value in reports]

        @pytest.mark.skipif(service is None, reason="it asks no service")
        def test_trouble_that_passes_loses_and_doubles_nothing(
            self, sample: TestProject, monkeypatch: pytest.MonkeyPatch
        ) -> None:
            _without_budget(monkeypatch)
            whole = _pulled(sample)
            for name, fault in faults.PASSING.items():
                with self._faulty(sample, fault) as proxy:
                    assert _pulled(sample) == whole, f"{name}: other records came"
                assert proxy.failed, "the service was not asked"

        @pytest.mark.skipif(service is None, reason="it asks no service")
        def test_trouble_that_stays_ends_the_pull_and_loads_nothing(
            self, sample: TestProject, monkeypatch: pytest.MonkeyPatch
        ) -> None:
            _without_budget(monkeypatch)
            window = Window(None, datetime.now(UTC))
            for name, fault in faults.LASTING.items():
                with self._faulty(sample, fault):
                    for stream in flow.streams(sample.settings, "sample"):
                        with pytest.raises((ConfigError, SourceError)) as caught:
                            flow.extract(sample.settings, "sample", stream, window, "backfill")
                        assert caught.value.place == f"sample.{stream}", name
            assert sample.query("SELECT count(*) FROM load_run") == [(0,)]

        @contextmanager
        def _faulty(self, sample: TestProject, fault: faults.Fault) -> Iterator[faults.FaultyProxy]:
            """The same service with a fault, in place of the one without. Tries follow each other at once."""
            from cxflow.testing.service import served, without_pauses

            assert service is not None
            proxy = faults.FaultyProxy(service(), fault)
            before = configuration["connections"]["sample"]
            with without_pauses(), served(proxy) as url:
                connect(url)
                sample.reconfigure(configuration)
                try:
                    yield proxy
                finally:
                    configuration["connections"]["sample"] = before
                    sample.reconfigure(configuration)

        def test_an_unknown_setting_is_named(self, sample: TestProject) -> None:
            spoiled = {**configuration["connections"]["sample"], "no_such_setting": 1}
            sample.reconfigure({**(project or {}), "connections": {"sample": spoiled}})
            with pytest.raises(CxflowError, match="no_such_setting"):
                flow.lint(sample.settings, "sample")

        @staticmethod
        def _personal_values(sample: TestProject) -> set[str]:
            """The values of landed records in columns that the streams tag as personal."""
            connector = flow.open_connection(sample.settings, "sample")
            values: set[str] = set()
            for name, stream in connector.streams.items():
                landed = sample.folder / "landing" / "sample" / name
                for tagged in stream.pii:
                    values |= _values(landed, tagged)
            return {value for value in values if len(value) > 5}

    return Conformance


def _without_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """No budget is waited for."""
    from cxflow.connect.http import budget

    monkeypatch.setattr(budget.Budget, "reserve", lambda *_: 0.0)


_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


def _pulled(sample: TestProject) -> dict[str, list[str]]:
    """The records of each stream, as they land, without the service's address: each proxy has its own."""
    connector = flow.open_connection(sample.settings, "sample")
    window = Window(None, datetime.now(UTC))
    return {
        name: sorted(
            _ADDRESS.sub("", repr(record))
            for record in broken_reading.whole(sample.settings, connector, stream, window)[0].records
        )
        for name, stream in connector.streams.items()
    }


def _values(landed: Path, column: str) -> set[str]:
    import duckdb

    parts = str(landed / "*" / "part-*.parquet")
    if not list(landed.glob("*/part-*.parquet")):
        return set()
    with duckdb.connect() as database:
        columns = [row[0] for row in database.execute(f"DESCRIBE SELECT * FROM '{parts}'").fetchall()]
        if column in columns:
            rows = database.execute(f"SELECT DISTINCT \"{column}\"::VARCHAR FROM '{parts}'").fetchall()
        else:
            rows = database.execute(
                f"SELECT DISTINCT json_extract_string(_payload, '$.{column}') FROM '{parts}'"
            ).fetchall()
    return {row[0] for row in rows if row[0]}
