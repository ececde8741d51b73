"""Files without a record: their columns are checked like those of any other file, and never learnt."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxflow.errors import SourceError
from cxflow.testing.project import TestProject

LOGIN = "<html><body>Session expired</body></html>"
FORMATS = ["csv", "tsv", "xlsx", "parquet"]


def project(folder: Path, suffix: str, **declaration: Any) -> TestProject:
    """A project over files of cases, named by their day."""
    return TestProject(folder, declared(suffix, **declaration))


def declared(suffix: str, **declaration: Any) -> dict[str, Any]:
    case = {"case_id": "id", "opened_at": "TIMESTAMPTZ '2026-03-01 10:00:00Z'", "reason": "why"}
    stream = {"path": f"*.{suffix}", "primary_key": ["id"], "to": {"support_case": case}, **declaration}
    table = {"connector": "files", "timezone": "UTC", "streams": {"cases": stream}}
    return {"quality": {"max_rejected_share": 1.0}, "connections": {"desk": table}}


def deliver(folder: Path, day: int, suffix: str, names: list[str], *rows: list[str]) -> Path:
    """A file of that day, with a header and rows."""
    path = folder / f"day-{day}.{suffix}"
    if suffix == "parquet":
        columns = {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(names)}
        pq.write_table(pa.table(columns), path)
    elif suffix == "xlsx":
        book = openpyxl.Workbook()
        assert book.active is not None
        for row in (names, *rows):
            book.active.append(row)
        book.save(path)
    else:
        delimiter = "\t" if suffix == "tsv" else ","
        path.write_text("".join(f"{delimiter.join(row)}\n" for row in (names, *rows)), encoding="utf-8")
    at = datetime(2026, 3, day, 12, tzinfo=UTC).timestamp()
    os.utime(path, (at, at))
    return path


def cases(desk: TestProject) -> list[tuple[Any, ...]]:
    return desk.rows("support_case", "case_id", "reason")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_first_delivery_without_rows_and_with_other_columns_is_refused_by_its_name(
    tmp_path: Path, suffix: str
) -> None:
    desk = project(tmp_path, suffix)
    page = deliver(tmp_path, 1, suffix, [LOGIN])
    with pytest.raises(
        SourceError, match=rf"(?s)day-1\.{suffix} has no readable record.*'id', which does not exist"
    ):
        desk.run()
    page.unlink()
    deliver(tmp_path, 2, suffix, ["id", "why"], ["1", "late"])
    desk.run()
    assert cases(desk) == [("desk:1", "late")]


@pytest.mark.parametrize(
    ("suffix", "in_one_run"),
    [("csv", True), ("csv", False), ("xlsx", True), ("xlsx", False), ("parquet", True), ("parquet", False)],
)
def test_a_later_delivery_without_rows_and_with_other_columns_is_refused_by_its_name(
    tmp_path: Path, suffix: str, in_one_run: bool
) -> None:
    desk = project(tmp_path, suffix)
    deliver(tmp_path, 1, suffix, ["id", "why"], ["1", "late"])
    if not in_one_run:
        desk.run()
    page = deliver(tmp_path, 2, suffix, [LOGIN])
    with pytest.raises(SourceError, match=rf"gone: id, why \(from \S*day-2\.{suffix}\)"):
        desk.run()
    page.unlink()
    deliver(tmp_path, 3, suffix, ["id", "why"], ["2", "lost"])
    report = desk.run()["desk.cases"]
    assert cases(desk) == [("desk:1", "late"), ("desk:2", "lost")]
    assert report.notes.get("drift") is None


@pytest.mark.parametrize(
    ("suffix", "in_one_run"),
    [("csv", True), ("csv", False), ("xlsx", True), ("xlsx", False), ("parquet", True), ("parquet", False)],
)
def test_a_header_alone_with_the_right_columns_is_an_export_without_records(
    tmp_path: Path, suffix: str, in_one_run: bool
) -> None:
    desk = project(tmp_path, suffix)
    deliver(tmp_path, 1, suffix, ["id", "why", "extra"])
    if not in_one_run:
        report = desk.run()["desk.cases"]
        assert (report.counts.extracted, report.notes["without_records"]) == (0, [f"day-1.{suffix}"])
    deliver(tmp_path, 2, suffix, ["id", "why"], ["1", "late"])
    report = desk.run()["desk.cases"]
    assert cases(desk) == [("desk:1", "late")]
    assert report.notes.get("drift") is None  # `extra` had no value anywhere: nobody knows it


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_header_that_lacks_one_mapped_column_is_refused_unless_it_may(tmp_path: Path, suffix: str) -> None:
    desk = project(tmp_path, suffix)
    deliver(tmp_path, 1, suffix, ["id"])
    with pytest.raises(SourceError, match=rf"(?s)day-1\.{suffix}.*'why', which does not exist.*may_lack"):
        desk.run()
    desk.reconfigure(declared(suffix, may_lack=["why"]))
    assert desk.run()["desk.cases"].counts.extracted == 0

    deliver(tmp_path, 2, suffix, ["id", "why"], ["1", "late"])
    desk.run()
    deliver(tmp_path, 3, suffix, ["id"])
    assert desk.run()["desk.cases"].counts.extracted == 0


def test_a_page_that_came_before_the_first_export_is_refused_with_it(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv")
    deliver(tmp_path, 1, "csv", [LOGIN])
    deliver(tmp_path, 2, "csv", ["id", "why"], ["1", "late"])
    with pytest.raises(SourceError, match=r"day-1\.csv has no readable record.*'id', which does not exist"):
        desk.run()


def test_an_older_header_without_a_column_that_came_later_passes(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv")
    deliver(tmp_path, 1, "csv", ["id"])
    deliver(tmp_path, 2, "csv", ["id", "why"], ["1", "late"])
    assert desk.run()["desk.cases"].counts.inserted == 1


def test_a_file_of_which_no_line_can_be_read_is_checked_by_its_header(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv")
    deliver(tmp_path, 1, "csv", ["id", "why"], ["1", "late"])
    desk.run()
    page = "<html>\n<p>Sorry, please,</p>\n<p>log in, again.</p>\n"
    (tmp_path / "day-2.csv").write_text(page, encoding="utf-8")
    with pytest.raises(SourceError, match=r"gone: id, why \(from \S*day-2\.csv\)"):
        desk.run()


def test_a_missing_column_that_is_accepted_is_accepted_of_a_header_too_and_reported(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv", policies={"missing_column": "accept"})
    deliver(tmp_path, 1, "csv", ["id", "why"], ["1", "late"])
    desk.run()
    deliver(tmp_path, 2, "csv", ["id"])
    assert desk.run()["desk.cases"].notes["drift"] == {"missing": ["why"]}
    deliver(tmp_path, 3, "csv", ["id", "why"], ["2", "lost"])
    assert desk.run()["desk.cases"].notes.get("drift") is None


def test_a_backfill_of_a_page_alone_is_refused(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv")
    deliver(tmp_path, 1, "csv", ["id", "why"], ["1", "late"])
    desk.run()
    deliver(tmp_path, 2, "csv", [LOGIN])
    with pytest.raises(SourceError, match=r"day-2\.csv has no readable record"):
        desk.run(mode="backfill", start=datetime(2026, 3, 2, tzinfo=UTC))


def test_an_empty_file_is_an_export_without_records(tmp_path: Path) -> None:
    desk = project(tmp_path, "csv")
    (tmp_path / "day-1.csv").write_bytes(b"")
    assert desk.run()["desk.cases"].counts.extracted == 0


def test_typed_columns_without_rows_are_bound_by_their_types(tmp_path: Path) -> None:
    lists = pa.list_(pa.struct([("at", pa.timestamp("us", tz="UTC"))]))
    table = pa.table({"id": pa.array([], pa.int64()), "events": pa.array([], lists)})
    pq.write_table(table, tmp_path / "day-1.parquet")
    status = {"case_id": "id", "status": "'open'", "valid_from": "item.at", "for_each": "events"}
    desk = project(tmp_path, "parquet", to={"case_status_history": status})
    assert desk.run()["desk.cases"].counts.extracted == 0
    desk.reconfigure(declared("parquet", to={"case_status_history": status | {"for_each": "id"}}))
    pq.write_table(table.slice(0, 0), tmp_path / "day-2.parquet")
    with pytest.raises(SourceError, match=r"day-2\.parquet.*is not a list but BIGINT"):
        desk.run()
