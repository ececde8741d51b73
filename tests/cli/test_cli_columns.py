"""`cxflow lint` and `doctor` compare the mapping with the columns that a source has, before a record is read."""

from __future__ import annotations

import gzip
import io
import sqlite3
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_runner import Answer, cxflow

from cxflow.testing.project import as_toml

STREAM: dict[str, Any] = {
    "path": "exports/*",
    "primary_key": ["id"],
    "to": {"touchpoint": {"activity": "'wrote_review'", "channel": "channel", "occurred_at": "happened"}},
}
CSV = "id,happened,Channel,E-Mail\n1,2026-03-01T10:00:00Z,web,ana@example.org\n"


def project(folder: Path, stream: dict[str, Any], connection: dict[str, Any] | None = None) -> Path:
    """A project with one stream, `shop.reviews`."""
    table = {"connector": "files", **(connection or {}), "streams": {"reviews": stream}}
    (folder / "exports").mkdir(exist_ok=True)
    (folder / "cxflow.toml").write_text(as_toml({"connections": {"shop": table}}))
    return folder


def touchpoint(**columns: str) -> dict[str, Any]:
    return {"to": {"touchpoint": {**STREAM["to"]["touchpoint"], **columns}}}


def refused(answer: Answer, words: str) -> None:
    assert answer.code == 78
    assert words in answer.err + answer.out


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"primary_key": ["ids"]}, "primary_key_1: 'ids' names the raw column 'ids', which does not exist"),
        ({"version": "hapened"}, "did you mean 'happened'?"),
        ({"deleted": "gone = 'yes'"}, "deleted: \"gone = 'yes'\" names the raw column 'gone'"),
        ({"identifiers": {"email": "email"}}, "identifiers.email: 'email' names the raw column 'email'"),
        (
            {"pii": ["Email"]},
            "pii names the raw column 'Email', which does not exist; did you mean 'E-Mail'?",
        ),
        (touchpoint(channel="lower(chanel)"), "did you mean 'Channel'?"),
        (touchpoint(where="chanel = 'web'"), "touchpoint.where: "),
        (touchpoint(for_each="items", occurred_at="item.at"), "touchpoint.for_each: 'items' names"),
        (touchpoint(reason="list_filter([channel], lambda x: x = y)"), "names the raw column 'y'"),
        (touchpoint(reason="item.x"), "names the raw column 'item'"),
        (
            touchpoint(reason="uper(channel)"),
            "names the function uper(), which does not exist; did you mean 'upper'?",
        ),
        (touchpoint(reason="channel +* 2"), "names the function +*()"),
        (
            touchpoint(reason="channel::VARCHR"),
            "names the type VARCHR, which does not exist; did you mean 'varchar'?",
        ),
    ],
)
def test_a_name_that_is_not_there_is_refused(tmp_path: Path, declared: dict[str, Any], words: str) -> None:
    project(tmp_path, {**STREAM, **declared})
    (tmp_path / "exports" / "a.csv").write_text(CSV)
    refused(cxflow("lint", project=tmp_path), words)


@pytest.mark.parametrize(
    "declared",
    [
        touchpoint(reason="coalesce(nullif(CHANNEL, 'x'), \"E-Mail\", _origin)"),
        touchpoint(reason="list_first([x.y for x in [{'y': channel}] if x.y <> 'a'])"),
        touchpoint(reason="raw.channel"),
        touchpoint(reason="soon") | {"may_lack": ["soon"]},
        touchpoint(for_each="[channel]", occurred_at="happened", reason="item || item_no"),
    ],
)
def test_what_a_run_accepts_is_accepted(tmp_path: Path, declared: dict[str, Any]) -> None:
    project(tmp_path, {**STREAM, **declared})
    (tmp_path / "exports" / "a.csv").write_text(CSV)
    answer = cxflow("lint", project=tmp_path)
    assert (answer.code, answer.err) == (0, "")
    assert cxflow("run", "--dry-run", project=tmp_path).code == 0


def test_a_column_is_known_from_the_oldest_and_the_newest_file(tmp_path: Path) -> None:
    project(tmp_path, {**STREAM, **touchpoint(reason="coalesce(old, new)")})
    for name in ("old", "new"):
        (tmp_path / "exports" / f"{name}.csv").write_text(f"id,happened,channel,{name}\n")
    assert cxflow("lint", project=tmp_path).code == 0


def test_without_a_file_lint_cannot_tell_and_doctor_says_so(tmp_path: Path) -> None:
    project(tmp_path, {**STREAM, "version": "unknown"})
    assert cxflow("lint", project=tmp_path).code == 0
    answer = cxflow("doctor", project=tmp_path)
    assert answer.code == 66
    assert "no file matches" in answer.out


def _xlsx() -> bytes:
    book = openpyxl.Workbook()
    for row in (["Reviews of March"], [None], ["id", " happened", None, "id"], ["1", "2026-03-01", "a", "b"]):
        book.active.append(row)
    book.save(content := io.BytesIO())
    return content.getvalue()


def _parquet() -> bytes:
    pq.write_table(pa.table({name: ["1"] for name in ("id", "_row", "happened")}), content := io.BytesIO())
    return content.getvalue()


NAMES = "id, happened, column_3, id_2"
FIELDS = {"id": [1, 2], "happened": [3, 4], "column_3": [5, 6], "id_2": [7, 8]}


@pytest.mark.parametrize(
    ("name", "content", "settings", "names"),
    [
        (
            "a.csv.gz",
            gzip.compress(b"Title\nid;happened ;;id", mtime=0),
            {"delimiter": ";", "skip_rows": 1},
            NAMES,
        ),
        ("a.tsv", b"id\thappened\t\tid\r1\t2\t3\t4\r", {"path": "exports/a.tsv"}, NAMES),
        ("a.csv", "id,happened,,id\n".encode("utf-16"), {}, NAMES),
        ("a.csv", "id,happened,,id,é\n".encode("cp1252"), {"encoding": "cp1252"}, f"{NAMES}, é"),
        ("a.csv", b"1,2,3,4\n", {"columns": list(FIELDS)}, NAMES),
        ("a.txt", b"", {"format": "fixed_width", "fields": FIELDS}, NAMES),
        ("a.xlsx", _xlsx(), {"skip_rows": 1}, NAMES),
        ("a.parquet", _parquet(), {}, "id, _row_2, happened"),
    ],
)
def test_the_header_is_found_in_every_format_that_has_one(
    tmp_path: Path, name: str, content: bytes, settings: dict[str, Any], names: str
) -> None:
    project(tmp_path, {**STREAM, **touchpoint(channel="'web'", reason="unseen"), **settings})
    (tmp_path / "exports" / name).write_bytes(content)
    refused(cxflow("lint", project=tmp_path), f"raw columns: {names}; ")


def test_of_json_only_all_records_tell_the_keys(tmp_path: Path) -> None:
    project(tmp_path, {**STREAM, "version": "rare"})
    (tmp_path / "exports" / "a.jsonl").write_text('{"id": 1}\n')
    assert cxflow("lint", project=tmp_path).code == 0


def test_names_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    project(tmp_path, STREAM)
    names = ("id", "happened", "channel", "Channel")
    pq.write_table(pa.table([pa.array(["1"])] * 4, names=names), tmp_path / "exports" / "a.parquet")
    refused(cxflow("lint", project=tmp_path), "the raw columns 'channel' and 'Channel' differ in case alone")


def test_a_column_of_an_earlier_load_may_be_gone(tmp_path: Path) -> None:
    stream = {**STREAM, **touchpoint(reason="was"), "policies": {"missing_column": "accept"}}
    project(tmp_path, stream)
    export = tmp_path / "exports" / "a.csv"
    export.write_text("id,happened,channel,was\n1,2026-03-01T10:00:00Z,web,x\n")
    assert cxflow("run", "--no-kpis", project=tmp_path).code == 0
    export.write_text("id,happened,channel\n2,2026-03-02T10:00:00Z,web\n")
    assert cxflow("lint", project=tmp_path).code == 0
    assert cxflow("run", "--no-kpis", project=tmp_path).code == 0


def test_a_database_is_asked_by_doctor_not_by_lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", "sqlite:///shop.db")
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE reviews (id INTEGER, happened TEXT, via TEXT)")
    database.close()
    stream = {key: value for key, value in STREAM.items() if key != "path"} | {"table": "reviews"}
    project(tmp_path, stream, {"connector": "sql", "url": {"env": "SHOP_URL"}})
    assert cxflow("lint", project=tmp_path).code == 0
    refused(cxflow("doctor", project=tmp_path), "names the raw column 'channel', which does not exist")
