"""A mapping may use the place of a record: its file, and its number in it."""

from __future__ import annotations

import io
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxflow import flow, sources
from cxflow.errors import ConfigError
from cxflow.model.window import Window
from cxflow.testing.project import TestProject
from cxflow.validate.quarantine import Filter

DAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
REVIEW = {
    "review_id": "_file || '#' || _file_row",
    "review_body": "text",
    "rating_value": "score",
    "date_published": "'2026-03-01T10:00:00Z'",
}
STREAM: dict[str, Any] = {"path": "in/*", "primary_key": ["_file", "_file_row"], "to": {"review": REVIEW}}


def tree(**stream: Any) -> dict[str, Any]:
    declared = {**STREAM, **stream}
    return {"connections": {"shop": {"connector": "files", "timezone": "UTC", "streams": {"r": declared}}}}


def deliver(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (DAY.timestamp(), DAY.timestamp()))


def places(project: TestProject, of: str = "review_id") -> list[tuple[Any, ...]]:
    """Place and text of each review."""
    return project.rows("review", of, "review_body")


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (("text", "score"), ("a", 1), (None, None), ("b", 2)):
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _parquet() -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"], "score": ["1", "2"]}), target)
    return target.getvalue()


LINES = '{"text": "a", "score": 1}\n{"text": "b", "score": 2}\n'


def test_a_record_of_any_format_has_its_file_and_its_number_among_those_that_can_be_read(
    tmp_path: Path,
) -> None:
    project = TestProject(tmp_path, tree(max_rejected_share=1))
    deliver(tmp_path, "a.csv", "text,score\na,1\nb,2\n")
    deliver(tmp_path, "damaged.csv", 'text,score\na,1\nx,"y\nonly one cell\nb,2\n')
    deliver(tmp_path, "a.jsonl", LINES)
    deliver(tmp_path, "damaged.jsonl", LINES.replace("\n", "\n[]\n"))
    deliver(tmp_path, "a.json", json.dumps([json.loads(line) for line in LINES.splitlines()]))
    deliver(tmp_path, "a.parquet", _parquet())
    deliver(tmp_path, "a.xlsx", _workbook())
    for kind in ("*.csv", "*.json*", "*.parquet", "*.xlsx"):  # one layout at a time
        project.reconfigure(tree(path=f"in/{kind}", max_rejected_share=1))
        project.run()
    names = ("a.csv", "a.json", "a.jsonl", "a.parquet", "a.xlsx", "damaged.csv", "damaged.jsonl")
    assert places(project) == [
        (f"shop:in/{name}#{number}", text) for name in names for number, text in ((1, "a"), (2, "b"))
    ]


def test_many_small_files_have_their_own_numbers(tmp_path: Path) -> None:
    project = TestProject(tmp_path, tree())
    for number in range(60):
        deliver(tmp_path, f"{number:02}.csv", f"text,score\n{number}-1,1\n{number}-2,2\n")
    project.run()
    assert places(project) == [
        (f"shop:in/{number:02}.csv#{row}", f"{number}-{row}") for number in range(60) for row in (1, 2)
    ]


def test_a_record_keeps_its_place_in_a_replay_a_remap_and_a_backfill(tmp_path: Path) -> None:
    project = TestProject(tmp_path, tree(max_rejected_share=1))
    deliver(tmp_path, "a.csv", "text,score\na,1\nb,two\nc,3\n")
    deliver(tmp_path, "b.csv", "text,score\nd,four\ne,5\n")
    project.run()
    assert places(project) == [("shop:in/a.csv#1", "a"), ("shop:in/a.csv#3", "c"), ("shop:in/b.csv#2", "e")]

    words = "replace(replace(score, 'two', '2'), 'four', '4')"
    project.reconfigure(tree(to={"review": {**REVIEW, "rating_value": words}}))
    (replayed,) = flow.replay(project.settings, Filter())
    assert replayed.counts.inserted == 2
    whole = places(project)
    assert whole == [
        (f"shop:in/{place}", text)
        for place, text in (
            ("a.csv#1", "a"),
            ("a.csv#2", "b"),
            ("a.csv#3", "c"),
            ("b.csv#1", "d"),
            ("b.csv#2", "e"),
        )
    ]

    (remapped,) = flow.remap(project.settings, "shop", "r")
    assert (remapped.counts.inserted, remapped.counts.deleted) == (0, 0)
    assert places(project) == whole

    backfilled = project.run(mode="backfill", start=datetime(2026, 3, 1, tzinfo=UTC))["shop.r"]
    assert backfilled.counts.unchanged == 5
    assert places(project) == whole


def test_a_record_keeps_its_place_when_the_project_moves(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    project = TestProject(old, tree())
    deliver(old, "a.csv", "text,score\na,1\nb,2\n")
    project.run()
    before = places(project)
    shutil.move(old, new)
    moved = TestProject(new, tree())
    (report,) = flow.remap(moved.settings, "shop", "r")
    assert report.counts.unchanged == 2
    assert places(moved) == before == [("shop:in/a.csv#1", "a"), ("shop:in/a.csv#2", "b")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,score,file,row,_file,_FILE_ROW\na,1,f,r,mine,9\n"),
        (
            "a.jsonl",
            '{"text": "a", "score": 1, "file": "f", "row": "r", "_file": "mine", "_FILE_ROW": "9"}\n',
        ),
    ],
)
def test_columns_of_the_same_name_do_not_hide_it(tmp_path: Path, name: str, content: str) -> None:
    texts = "concat_ws(',', _file, _file_row, file, row, _file_2, _FILE_ROW_2)"
    stream = {"path": f"in/{name}", "primary_key": "1", "to": {"review": {**REVIEW, "review_body": texts}}}
    project = TestProject(tmp_path, tree(**stream))
    deliver(tmp_path, name, content)
    sources.check_columns(project.settings, "shop", "r", offline=True)
    project.run()
    assert places(project) == [(f"shop:in/{name}#1", f"in/{name},1,f,r,mine,9")]
    flow.remap(project.settings, "shop", "r")
    assert places(project) == [(f"shop:in/{name}#1", f"in/{name},1,f,r,mine,9")]


def test_a_column_of_the_same_name_may_come_and_go(tmp_path: Path) -> None:
    texts = "concat_ws(',', _file, _file_2)"
    policies = {"missing_column": "accept"}
    stream = {"to": {"review": {**REVIEW, "review_body": texts}}, "policies": policies, "may_lack": "_file"}
    project = TestProject(tmp_path, tree(**stream))
    deliver(tmp_path, "a.csv", "text,score,_file\na,1,mine\n")
    project.run()
    deliver(tmp_path, "b.csv", "text,score\nb,1\n")
    project.run()
    assert places(project) == [("shop:in/a.csv#1", "in/a.csv,mine"), ("shop:in/b.csv#1", "in/b.csv")]


def test_the_place_may_stand_wherever_a_raw_column_may(tmp_path: Path) -> None:
    items = {"for_each": "string_split(text, ' ')", "where": "_file_row < 3"}
    stream = {
        "deleted": "_file_row = 2",
        "identifiers": {"till": "_file"},
        "to": {"review": {**REVIEW, **items, "review_id": "_file_row || item", "review_body": "item"}},
        "expect": [{"table": "review", "rule": "of_a", "sql": "k._file_row < 3 AND k._file = 'in/a.csv'"}],
    }
    project = TestProject(tmp_path, tree(**stream, max_rejected_share=1))
    deliver(tmp_path, "a.csv", "text,score\na b,1\nc,2\nd,3\n")
    deliver(tmp_path, "b.csv", "text,score\nx,1\n")
    project.run()
    assert project.rows("review", "review_id", "source_record_id", "is_deleted") == [
        ("shop:1a", "in/a.csv|1", False),
        ("shop:1b", "in/a.csv|1", False),
        ("shop:2c", "in/a.csv|2", True),
    ]
    assert project.rows("quarantine", "rule", "source_record_id") == [("of_a", "in/b.csv|1")]


def test_a_dry_run_knows_the_place_too_of_what_was_landed_before(tmp_path: Path) -> None:
    project = TestProject(tmp_path, tree())
    deliver(tmp_path, "a.csv", "text,score\na,1\nb,2\nc,3\n")
    project.run()
    asked = {"to": {"review": {**REVIEW, "date_published": "_file || '#' || _file_row"}}}
    project.reconfigure(tree(**asked))
    asked = (project.settings, "shop", "r")
    found = (
        sources.try_landed(*asked, records=2, reveal=True),
        sources.try_first(*asked, Window(None, datetime.now(UTC)), "backfill", records=2, reveal=True),
    )
    for each in found:
        assert each.examples == {"cast of review.date_published": ["in/a.csv#1", "in/a.csv#2"]}


def test_a_group_of_lines_has_no_place(tmp_path: Path) -> None:
    groups = {"group_by": "text", "aggregates": {"score": "max(score)"}}
    project = TestProject(tmp_path, tree(**groups))
    with pytest.raises(ConfigError, match="names the raw column '_file', which does not exist"):
        sources.check_columns(project.settings, "shop", "r", offline=True)
    mapping = {**REVIEW, "review_id": "text"}
    rule = {"table": "review", "rule": "first", "sql": "k._file_row = 1"}
    project.reconfigure(tree(**groups, primary_key="text", to={"review": mapping}, expect=[rule]))
    with pytest.raises(ConfigError, match="this stream's records do not have"):
        sources.lint(project.settings, "shop")


def test_the_name_of_a_file_may_be_personal(tmp_path: Path) -> None:
    shown = {"primary_key": "text", "pii": "_file", "to": {"review": {**REVIEW, "review_id": "text"}}}
    project = TestProject(tmp_path, tree(**shown))
    deliver(tmp_path, "ada.csv", "text,score\na,1\n")
    project.run()
    project.reconfigure(tree(**{**shown, "primary_key": "_file"}))
    with pytest.raises(ConfigError, match="primary_key_1: '_file' shows the personal column '_file'"):
        sources.lint(project.settings, "shop")
