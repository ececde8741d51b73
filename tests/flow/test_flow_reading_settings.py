"""A reading setting that was wrong and is fixed: the files read under it are read again, once, and nothing doubles."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import structlog

from cxflow.cli.outcome import notes
from cxflow.errors import SourceError
from cxflow.testing.project import TestProject

WHEN = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"


def declared(path: str, case: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    case = case or {"case_id": "id", "opened_at": WHEN, "reason": "why"}
    stream = {"path": path, "primary_key": [case["case_id"]], "to": {"support_case": case}, **settings}
    table = {"connector": "files", "timezone": "UTC", "streams": {"cases": stream}}
    return {"quality": {"max_rejected_share": 1.0}, "connections": {"desk": table}}


def cases(desk: TestProject) -> list[tuple[Any, ...]]:
    return desk.rows("support_case", "case_id", "reason")


def _book(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["id", "why", "year"], ["0", "a sample", "1999"]):
        sheet.append(row)
    data = book.create_sheet("Data")
    for row in (["id", "why"], ["1", "late"], ["2", "lost"]):
        data.append(row)
    book.save(path)


def test_after_the_right_sheet_is_declared_known_files_are_read_again_once(tmp_path: Path) -> None:
    _book(tmp_path / "a.xlsx")
    desk = TestProject(tmp_path, declared("*.xlsx"))
    desk.run()
    assert cases(desk) == [("desk:0", "a sample")]

    desk.reconfigure(declared("*.xlsx", sheet="Data"))
    with structlog.testing.capture_logs() as logs:
        report = desk.run()["desk.cases"]
    assert (report.counts.extracted, report.counts.inserted) == (2, 2)
    assert report.notes == {"reads_anew": True}
    assert notes(report.notes) == [
        "the reading settings changed since the last run: earlier files are read again"
    ]
    assert ["reading settings changed" in each["event"] for each in logs].count(True) == 1
    assert cases(desk) == [("desk:0", "a sample"), ("desk:1", "late"), ("desk:2", "lost")]

    again = desk.run()["desk.cases"]
    assert (again.counts.extracted, again.notes) == (0, {})
    # What only the wrong sheet had is not missed.
    (tmp_path / "a.xlsx").rename(tmp_path / "old.xlsx.done")
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "Data"
    for row in (["id", "why"], ["3", "torn"]):
        book.active.append(row)
    book.save(tmp_path / "b.xlsx")
    assert desk.run()["desk.cases"].counts.inserted == 1


def test_after_the_right_delimiter_is_declared_known_files_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;why\n1;late\n2;lost\n", encoding="utf-8")
    halves = {"case_id": "split_part(\"id;why\", ';', 1)", "opened_at": WHEN}
    desk = TestProject(tmp_path, declared("*.csv", halves | {"reason": "split_part(\"id;why\", ';', 2)"}))
    desk.run()
    assert cases(desk) == [("desk:1", "late"), ("desk:2", "lost")]

    desk.reconfigure(declared("*.csv", delimiter=";"))
    report = desk.run()["desk.cases"]
    assert (report.counts.extracted, report.counts.unchanged) == (2, 2)
    (tmp_path / "b.csv").write_text("id;why\n3;torn\n", encoding="utf-8")
    assert desk.run()["desk.cases"].counts.inserted == 1
    assert cases(desk) == [("desk:1", "late"), ("desk:2", "lost"), ("desk:3", "torn")]
    assert desk.books_balance()


def test_after_the_right_encoding_is_declared_the_values_are_corrected(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,why\n1,señal\n2,plain\n".encode())
    desk = TestProject(tmp_path, declared("*.csv", encoding="latin-1"))
    desk.run()
    assert cases(desk) == [("desk:1", "seÃ±al"), ("desk:2", "plain")]
    desk.reconfigure(declared("*.csv"))
    report = desk.run()["desk.cases"]
    assert (report.counts.updated, report.counts.unchanged) == (1, 1)
    assert cases(desk) == [("desk:1", "señal"), ("desk:2", "plain")]
    assert desk.run()["desk.cases"].counts.extracted == 0


def test_the_same_setting_written_otherwise_reads_nothing_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,why\n1,late\n", encoding="utf-8")
    desk = TestProject(tmp_path, declared("*.csv"))
    desk.run()
    desk.reconfigure(declared("*.csv", delimiter=",", encoding="UTF8", max_columns=100, settle_seconds=0))
    assert desk.run()["desk.cases"].counts.extracted == 0


def test_a_cursor_of_a_version_without_the_settings_counts_as_the_present_ones(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,why\n1,late\n", encoding="utf-8")
    desk = TestProject(tmp_path, declared("*.csv"))
    desk.run()
    ((text,),) = desk.rows("stream_state", "cursor")
    cursor = json.loads(text)
    del cursor["settings"]
    desk.query("UPDATE stream_state SET cursor = :cursor RETURNING 1", cursor=json.dumps(cursor))
    desk.reconfigure(declared("*.csv", null_values=["", "-"]))
    report = desk.run()["desk.cases"]
    assert (report.counts.extracted, report.notes) == (0, {})
    desk.reconfigure(declared("*.csv"))
    assert desk.run()["desk.cases"].counts.unchanged == 1


def test_a_backfill_under_fixed_settings_is_not_judged_by_what_the_wrong_ones_read(tmp_path: Path) -> None:
    _book(tmp_path / "a.xlsx")
    desk = TestProject(tmp_path, declared("*.xlsx"))
    desk.run()
    desk.reconfigure(declared("*.xlsx", sheet="Data"))
    report = desk.run(mode="backfill", start=datetime(2026, 1, 1, tzinfo=UTC))["desk.cases"]
    assert report.counts.inserted == 2
    assert desk.run()["desk.cases"].counts.unchanged == 2  # the backfill left the cursor alone


def test_under_the_same_settings_a_column_gone_from_a_changed_file_still_stops(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,why\n1,late\n", encoding="utf-8")
    desk = TestProject(tmp_path, declared("*.csv"))
    desk.run()
    (tmp_path / "a.csv").write_text("id\n1\n", encoding="utf-8")
    with pytest.raises(SourceError, match="gone: why"):
        desk.run()
