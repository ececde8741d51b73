"""A column that only some files of a batch lack has the declared outcome too, never a silent null."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxflow import flow
from cxflow.errors import SourceError
from cxflow.testing.project import TestProject
from cxflow.validate.quarantine import Filter

WITH = [{"id": "1", "why": "late"}]
WITHOUT = [{"id": "2"}, {"id": "3"}]


def _csv(path: Path, rows: list[dict[str, str]]) -> None:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _parquet(path: Path, rows: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


def _xlsx(path: Path, rows: list[dict[str, str]]) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in ([*rows[0]], *([*row.values()] for row in rows)):
        book.active.append(row)
    book.save(path)


def project(folder: Path, suffix: str, write: Callable[[Path, Any], None], *days: Any) -> TestProject:
    """A project over one file a day, of the first days of March."""
    for number, rows in enumerate(days, start=1):
        write(folder / f"2026-03-0{number}.{suffix}", rows)
    return TestProject(folder, declared(suffix))


def declared(suffix: str = "csv", **declaration: Any) -> dict[str, Any]:
    """A stream of cases, and whatever else is said of it."""
    case = {"case_id": "id", "opened_at": "TIMESTAMPTZ '2026-03-01 10:00:00Z'", "reason": "why"}
    stream = {
        "path": f"{{date}}.{suffix}",
        "primary_key": ["id"],
        "to": {"support_case": case},
        **declaration,
    }
    return {
        "quality": {"max_rejected_share": 1.0},
        "connections": {"desk": {"connector": "files", "timezone": "UTC", "streams": {"cases": stream}}},
    }


@pytest.mark.parametrize(("suffix", "write"), [("csv", _csv), ("parquet", _parquet), ("xlsx", _xlsx)])
def test_a_column_gone_from_one_file_of_several_stops_by_default_and_names_the_file(
    tmp_path: Path, suffix: str, write: Any
) -> None:
    desk = project(tmp_path, suffix, write, WITH, WITHOUT, WITH)
    with pytest.raises(SourceError, match=rf"gone: why \(from \S*2026-03-02\.{suffix}\).*may_lack"):
        desk.run()
    assert desk.rows("support_case") == []


def test_a_column_that_first_appears_in_a_later_file_is_not_missing_from_the_earlier(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv", _csv, WITHOUT, WITH)
    desk.run()
    assert desk.rows("support_case", "case_id", "reason") == [
        ("desk:1", "late"),
        ("desk:2", None),
        ("desk:3", None),
    ]


def test_a_known_column_is_missed_in_every_file_without_it(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv", _csv, WITH)
    desk.run()
    _csv(tmp_path / "2026-03-02.csv", WITHOUT)
    _csv(tmp_path / "2026-03-03.csv", [{"id": "4", "why": "lost"}])
    with pytest.raises(SourceError, match=r"gone: why \(from \S*2026-03-02\.csv\)"):
        desk.run()


def test_a_backfill_from_before_a_column_came_does_not_miss_it_there(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv", _csv, WITHOUT, WITH)
    desk.run()
    again = desk.run(mode="backfill", start=datetime(2026, 3, 1, tzinfo=UTC))["desk.cases"]
    assert (again.counts.extracted, again.counts.unchanged) == (3, 3)


def test_names_that_differ_in_case_only_are_one_column(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv", _csv, WITH, [{"id": "2", "Why": "lost"}])
    desk.run()
    assert desk.rows("support_case", "reason") == [("late",), ("lost",)]


def test_only_the_records_of_such_a_file_are_refused_and_a_replay_takes_them_once_that_is_allowed(
    tmp_path: Path,
) -> None:
    desk = project(tmp_path, "csv", _csv, WITH, WITHOUT)
    desk.reconfigure(declared(policies={"missing_column": "quarantine"}))
    report = desk.run()["desk.cases"]
    assert (report.counts.inserted, report.counts.quarantined) == (1, 2)
    assert desk.rows("quarantine", "rule", "column_name", "source_record_id") == [
        ("missing_column", "why", "2"),
        ("missing_column", "why", "3"),
    ]

    flow.replay(desk.settings, Filter())
    assert [status for (status,) in desk.rows("quarantine", "status")] == ["open", "open"]

    desk.reconfigure(declared(may_lack=["why"]))
    flow.replay(desk.settings, Filter())
    assert [status for (status,) in desk.rows("quarantine", "status")] == ["replayed", "replayed"]
    assert len(desk.rows("support_case")) == 3
    assert desk.books_balance()
