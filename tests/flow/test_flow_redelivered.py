"""A file that is delivered again adds and updates, and deletes nothing; versions decide, else the time of delivery."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cxflow.testing.project import TestProject


def deliver(path: Path, day: int, *rows: str) -> None:
    """A CSV file of cases, delivered on that day of March."""
    path.write_text("id,why,changed\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    at = datetime(2026, 3, day, 12, tzinfo=UTC).timestamp()
    os.utime(path, (at, at))


def project(folder: Path, path: str, **more: Any) -> TestProject:
    case = {"case_id": "id", "opened_at": "TIMESTAMPTZ '2026-03-01 10:00:00Z'", "reason": "why"}
    stream = {"path": path, "primary_key": ["id"], "to": {"support_case": case}, **more}
    table = {"connector": "files", "timezone": "UTC", "streams": {"cases": stream}}
    return TestProject(folder, {"connections": {"desk": table}})


def test_a_row_that_vanished_from_a_file_stays_and_one_that_changed_is_updated(tmp_path: Path) -> None:
    desk = project(tmp_path, "all.csv")
    deliver(tmp_path / "all.csv", 2, "1,late,2026-03-01", "2,lost,2026-03-01")
    desk.run()
    deliver(tmp_path / "all.csv", 3, "2,torn,2026-03-03", "3,late,2026-03-03")
    counts = desk.run()["desk.cases"].counts
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 1, 0)
    assert desk.rows("support_case", "case_id", "reason") == [
        ("desk:1", "late"),
        ("desk:2", "torn"),
        ("desk:3", "late"),
    ]


@pytest.mark.parametrize(
    ("names", "more", "reason"),
    [
        (("old", "new", "copy"), {}, "old"),
        (("old", "new", "copy"), {"version": "changed"}, "new"),
        (("2026-03-01", "2026-03-02", "2026-03-01"), {}, "new"),
    ],
    ids=["by its time", "by its version", "by its day"],
)
def test_an_old_file_that_comes_again_counts_by_version_or_by_its_delivery(
    tmp_path: Path, names: tuple[str, str, str], more: dict[str, Any], reason: str
) -> None:
    first, second, again = names
    desk = project(tmp_path, "{date}.csv" if first.startswith("2026") else "*.csv", **more)
    deliver(tmp_path / f"{first}.csv", 2, "1,old,2026-03-01")
    desk.run()
    deliver(tmp_path / f"{second}.csv", 3, "1,new,2026-03-02")
    desk.run()
    assert desk.rows("support_case", "reason") == [("new",)]
    os.utime(tmp_path / f"{first}.csv")
    assert desk.run()["desk.cases"].counts.extracted == 0  # only its time changed
    deliver(tmp_path / f"{again}.csv", 4, "1,old,2026-03-01", "2,other,2026-03-01")
    assert desk.run()["desk.cases"].counts.extracted == 2
    assert desk.rows("support_case", "reason") == sorted([(reason,), ("other",)])
