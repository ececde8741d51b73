"""Checks of what becomes of a connector's records in the warehouse. Part of the conformance suite."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cxflow.model.batch import Mode
from cxflow.testing.project import VOLATILE, TestProject
from cxflow.testing.sample import NAME, Sample
from cxflow.warehouse import ledger, tables

WRITE = "CXFLOW_SNAPSHOTS"
"""The environment variable that writes snapshots anew: `CXFLOW_SNAPSHOTS=write`."""
_SHOWN = 3
"""Rows of a table that a snapshot has."""


class WarehouseChecks:
    """The sample loaded by scheduled runs, and in another warehouse by one backfill."""

    def test_every_record_is_accounted_for(self, sample: Sample) -> None:
        """The ledger's counts add up, and each stream has records."""
        for name in sample.streams:
            reports = [run[f"{NAME}.{name}"] for run in sample.loaded if f"{NAME}.{name}" in run]
            assert sum(each.counts.extracted for each in reports), f"the sample has no record of {name}"
            assert all(each.counts.balanced for each in reports)
        assert sample.project.books_balance()

    def test_a_second_run_changes_nothing(self, sample: Sample) -> None:
        """A further scheduled run, and a backfill of all that was loaded."""
        before = sample.digest
        runs: list[tuple[str, Mode]] = [(stream, "scheduled") for stream in sample.largest]
        for stream, mode in [*runs, (sample.largest[0], "backfill")]:
            [report] = sample.project.run(NAME, stream, mode=mode, end=sample.end).values()
            counts = report.counts
            assert (counts.inserted, counts.updated, counts.deleted) == (0, 0, 0), f"{mode} run of {stream}"
        assert sample.project.digest() == before

    def test_a_backfill_equals_incremental_runs_and_leaves_the_cursor_alone(self, sample: Sample) -> None:
        """One backfill into an empty warehouse gives the same rows."""
        other = sample.backfilled
        assert other.digest() == sample.digest
        for stream in sample.streams:
            assert ledger.cursor(other.settings, NAME, stream) == {}
            assert ledger.position(other.settings, NAME, stream) is None

    def test_its_cursor_holds_no_personal_data(self, sample: Sample) -> None:
        """What the ledger keeps of its cursor shows no personal value."""
        assert sample.loaded
        for stream in sample.streams:
            assert not sample.tells_of_a_person(ledger.cursor(sample.project.settings, NAME, stream))

    def test_the_ledger_holds_no_personal_data(self, sample: Sample) -> None:
        """Nor do the reports of its loads."""
        assert sample.loaded
        assert not sample.tells_of_a_person(sample.project.query("SELECT report FROM load_run"))

    def test_its_mapping_gives_the_rows_of_its_snapshot(
        self, sample: Sample, request: pytest.FixtureRequest
    ) -> None:
        """The snapshot stands beside the test. It is written where there is none, and with CXFLOW_SNAPSHOTS=write."""
        found = _snapshot(sample.backfilled)
        path = request.path.parent / "snapshots" / f"{_class_name(request)}.json"
        if os.environ.get(WRITE) == "write" or (not path.exists() and "CI" not in os.environ):
            path.parent.mkdir(exist_ok=True)
            path.write_text(found, encoding="utf-8")
            pytest.skip(f"wrote {path}: look at it, and commit it")
        assert path.exists(), f"there is no snapshot {path}"
        assert found == path.read_text(encoding="utf-8"), (
            f"the mapping gives other rows than {path} says; if that is meant, run with {WRITE}=write"
        )


def _class_name(request: pytest.FixtureRequest) -> str:
    """The name by which the suite's class was collected."""
    found = request.node.getparent(pytest.Class)
    assert found is not None
    return str(found.name)


def _snapshot(project: TestProject) -> str:
    """The first rows of each canonical table, as JSON; columns without a value are left out."""
    found: dict[str, Any] = {}
    for name, table in tables.CANONICAL.items():
        columns = [column.name for column in table.columns if column.name not in VOLATILE]
        rows = [
            {column: _plain(value) for column, value in zip(columns, row, strict=True) if value is not None}
            for row in project.rows(name)
        ]
        if rows:
            by_content = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
            found[name] = {"rows": len(rows), "first": by_content[:_SHOWN]}
    return json.dumps(found, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _plain(value: Any) -> Any:
    """A value as every database gives it."""
    match value:
        case bool() | str():
            return value
        case int() | float() | Decimal():
            return f"{float(value):.10g}"
        case datetime():
            return value.astimezone(UTC).isoformat()
    return str(value)
