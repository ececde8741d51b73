"""`cxflow init --csv` finds how a person's own file is written, and suggests what its first values bear out."""

from __future__ import annotations

import gzip
import io
import json
import os
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_runner import cxflow, edit


def described(folder: Path, name: str, content: bytes | str) -> Path:
    """A project described from a file beside it."""
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    answer = cxflow("init", folder / "mine", "--csv", file)
    assert (answer.code, answer.err) == (0, "")
    return folder / "mine"


def stream(project: Path) -> dict[str, Any]:
    """What the project says of its one stream."""
    text = (project / "cxflow.toml").read_text()
    ((name, found),) = tomllib.loads(text)["connections"]["mine"]["streams"].items()
    return {"name": name, **found}


def filled_in(project: Path) -> Path:
    """The project with what only a person knows."""
    edit(project, "# activity = ", "activity = ")
    if "channel" not in stream(project)["to"]["touchpoint"]:
        edit(project, "# channel = ", "channel = ")
    edit(project, '# timezone = "Europe/Madrid"', 'timezone = "Europe/Madrid"')
    return project


GERMAN = "Bestellnr;Kunde;E-Mail;Bestelldatum;Betrag;Land\n" + "".join(
    f"B-{number};Kunde {number};k{number % 7}@beispiel.de;{number:02d}.03.2026;{number}.234,50;DE\n"
    for number in range(1, 21)
)
TABS = "call id\tstarted at\tphone\tchannel\n" + "".join(
    f"{1000 + number}\t2026-03-{number:02d} 10:00\t+49 30 1234{number:03d}\tphone\n"
    for number in range(1, 21)
)
REPEATED = "id,Name,id,,Name ,date\n" + "".join(
    f"{number % 3},a,{number},x,b,{number + 1}/13/2026\n" for number in range(10)
)
WINDOWS = "Nr;Name;Ort;id;gesendet am\n" + "".join(
    f"{number};Jürgen;Köln;{number % 4};{number + 1}.3.2026 9:05\n" for number in range(20)
)
ANSWERS = "ResponseId,score,answered,comment\n" + "".join(
    f"{number},9,2026-03-0{number}T10:00:00Z,so so\n" for number in range(1, 6)
)


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["What it says"])
    sheet = book.create_sheet("Reviews")
    for row in (["Reviews of March 2026"], [], ["Review ID", "Date", "Stars", "Text"]):
        sheet.append(row)
    for number in range(1, 21):
        sheet.append([number, datetime(2026, 3, number), number % 5 + 1, "so so"])  # noqa: DTZ001  as in Excel
    book.save(content := io.BytesIO())
    return content.getvalue()


def _parquet() -> bytes:
    at = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3)]
    table = pa.table({"order_id": [1, 2, 3], "line": [1, 1, 2], "placed_at": at, "total": [1.5, 2, 3]})
    pq.write_table(table, content := io.BytesIO())
    return content.getvalue()


def _tickets() -> list[dict[str, Any]]:
    return [
        {"id": number, "by": {"email": f"a{number}@example.org"}, "at": f"2026-03-0{number}T10:00:00Z"}
        for number in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("name", "content", "records", "said"),
    [
        (
            "Bestellungen März.csv",
            GERMAN,
            20,
            {
                "name": "bestellungen-märz",
                "path": "../Bestellungen März.csv",
                "delimiter": ";",
                "decimal": ",",
                "time_formats": ["%d.%m.%Y"],
                "primary_key": ["Bestellnr"],
                "identifiers": {"email": '"E-Mail"'},
                "pii": ["Kunde", "E-Mail"],
                "to": {"touchpoint": {"occurred_at": "Bestelldatum"}},
            },
        ),
        (
            "calls.txt",
            TABS,
            20,
            {
                "name": "calls",
                "path": "../calls.txt",
                "format": "tsv",
                "primary_key": ['"call id"'],
                "identifiers": {"phone": "phone"},
                "pii": ["phone"],
                "to": {"touchpoint": {"channel": "channel", "occurred_at": '"started at"'}},
            },
        ),
        (
            "reviews.xlsx",
            _workbook(),
            20,
            {
                "name": "reviews",
                "path": "../reviews.xlsx",
                "sheet": "Reviews",
                "skip_rows": 2,
                "primary_key": ['"Review ID"'],
                "pii": ["Text"],
                "to": {"touchpoint": {"occurred_at": "Date"}},
            },
        ),
        (
            "2026-03.csv",
            REPEATED,
            10,
            {
                "name": "2026-03",
                "path": "../2026-03.csv",
                "time_formats": ["%m/%d/%Y"],
                "primary_key": ["id_2"],
                "pii": ["Name", "Name_2"],
                "to": {"touchpoint": {"occurred_at": "date"}},
            },
        ),
        (
            "answers.csv.gz",
            gzip.compress(ANSWERS.encode()),
            5,
            {
                "name": "answers",
                "path": "../answers.csv.gz",
                "primary_key": ["ResponseId"],
                "pii": ["comment"],
                "to": {"touchpoint": {"occurred_at": "answered"}},
            },
        ),
        (
            "answers.csv",
            gzip.compress(ANSWERS.encode()),
            5,
            {
                "name": "answers",
                "path": "../answers.csv",
                "primary_key": ["ResponseId"],
                "pii": ["comment"],
                "to": {"touchpoint": {"occurred_at": "answered"}},
            },
        ),
        (
            "Export [1].v2.csv",
            WINDOWS.encode("cp1252"),
            20,
            {
                "name": "export-1-v2",
                "path": "../Export [[]1].v2.csv",
                "delimiter": ";",
                "encoding": "cp1252",
                "time_formats": ["%d.%m.%Y %H:%M"],
                "primary_key": ["Nr"],
                "pii": ["Name"],
                "to": {"touchpoint": {"occurred_at": '"gesendet am"'}},
            },
        ),
        (
            "orders.parquet",
            _parquet(),
            3,
            {
                "name": "orders",
                "path": "../orders.parquet",
                "primary_key": ["order_id"],
                "to": {"touchpoint": {"occurred_at": "placed_at"}},
            },
        ),
        (
            "tickets.jsonl",
            "".join(f"{json.dumps(ticket)}\n" for ticket in _tickets()),
            5,
            {
                "name": "tickets",
                "path": "../tickets.jsonl",
                "primary_key": ["id"],
                "identifiers": {"email": '"by".email'},
                "pii": ["by.email"],
                "to": {"touchpoint": {"occurred_at": '"at"'}},
            },
        ),
        (
            "tickets.json",
            json.dumps({"meta": {"pages": [{}]}, "data": {"tickets": _tickets()}}),
            5,
            {
                "name": "tickets",
                "path": "../tickets.json",
                "records": "data.tickets",
                "primary_key": ["id"],
                "identifiers": {"email": '"by".email'},
                "pii": ["by.email"],
                "to": {"touchpoint": {"occurred_at": '"at"'}},
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[-8:] else "",
)
def test_a_file_is_described_and_runs_once_a_person_has_said_what_it_means(
    tmp_path: Path, name: str, content: bytes | str, records: int, said: dict[str, Any]
) -> None:
    project = described(tmp_path, name, content)
    assert stream(project) == said
    asked = cxflow("run", "--dry-run", project=project)
    assert asked.code == 78
    assert "touchpoint requires the column" in asked.err
    assert cxflow("lint", project=filled_in(project)).code == 0
    total = cxflow("run", "--no-kpis", "--json", project=project).json["total"]
    assert (total["extracted"], total["inserted"]) == (records, records)


def test_a_column_that_its_values_do_not_bear_out_is_not_suggested(tmp_path: Path) -> None:
    lines = "".join(f"{n % 5},none,soon,n/a,{n}/{n}/2026,+49 {n},2000-01-{n:02d}\n" for n in range(1, 12))
    project = described(tmp_path, "a.csv", f"id,email,created_at,channel,happened,score,birthday\n{lines}")
    assert stream(project) == {
        "name": "a",
        "path": "../a.csv",
        "pii": ["birthday"],
        "to": {"touchpoint": {"channel": "channel"}},
    }
    text = (project / "cxflow.toml").read_text()
    assert '# primary_key = ["COLUMN"]' in text
    assert '# time_formats = ["%d/%m/%Y"]' in text
    assert '"%d/%m/%Y" or "%m/%d/%Y"? each reads all values' in text
    assert '# occurred_at = "happened"' in text
    assert "primary_key: this setting is required" in cxflow("lint", project=project).err


def test_what_to_uncomment_is_set_once(tmp_path: Path) -> None:
    lines = "".join(f"{n},{n}.3.2026,{n}/{n}/2026,{n}-{n}-2026,{n}/{n + 1}/2026\n" for n in range(1, 9))
    project = described(tmp_path, "a.csv", f"id,at,one,two,three\n{lines}")
    text = (project / "cxflow.toml").read_text()
    assert 'time_formats = ["%d.%m.%Y"]   ' in text
    assert '# time_formats: add "%d/%m/%Y"   # of one, three: "%d/%m/%Y" or "%m/%d/%Y"? each reads' in text
    assert '# time_formats: add "%d-%m-%Y"   # of two: ' in text
    assert "# time_formats = " not in text


def test_two_columns_may_be_a_key_together(tmp_path: Path) -> None:
    lines = "".join(f"{n // 2},{n % 2},web\n" for n in range(6))
    assert stream(described(tmp_path, "a.csv", f"order_id,line_no,via\n{lines}"))["primary_key"] == [
        "order_id",
        "line_no",
    ]


def test_an_address_of_staff_is_personal_and_identifies_no_customer(tmp_path: Path) -> None:
    found = stream(described(tmp_path, "a.csv", "id,agent_email\n1,a@example.org\n2,b@example.org\n"))
    assert (found["pii"], "identifiers" in found) == (["agent_email"], False)


def test_accents_far_from_the_header_tell_the_encoding(tmp_path: Path) -> None:
    content = "id,comment\n" + "1,fine\n" * 20_000 + "2,Razón\n"
    assert stream(described(tmp_path, "a.csv", content.encode("cp1252")))["encoding"] == "cp1252"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_encoding_that_a_run_detects_is_not_declared(tmp_path: Path, encoding: str) -> None:
    found = stream(described(tmp_path, "a.csv", "nr;razón\n1;x\n".encode(encoding)))
    assert (found.get("encoding"), found["delimiter"], found["primary_key"]) == (None, ";", ["nr"])


def test_a_file_without_a_header_is_noticed(tmp_path: Path) -> None:
    project = described(tmp_path, "a.csv", "17,ana@example.org,2026-03-01\n18,ben@example.org,2026-03-02\n")
    assert "# columns = [" in (project / "cxflow.toml").read_text()
    project = described(tmp_path / "mine", "a.csv", "id,q1_2026,2nd\n17,1,2\n")
    assert "# columns = [" not in (project / "cxflow.toml").read_text()


def test_a_text_of_one_long_line_has_a_header(tmp_path: Path) -> None:
    content = "id,comment\r1," + "x" * 3_000_000 + "\r2,y"
    assert stream(described(tmp_path, "a.csv", content))["primary_key"] == ["id"]


def test_names_with_line_ends_and_quotes_make_a_valid_file(tmp_path: Path) -> None:
    project = described(tmp_path, "a.csv", 'id,"a ""name""\nof two lines",\'x\'\n1,a,b\n')
    assert stream(project)["primary_key"] == ["id"]


def test_a_path_is_relative_to_the_project_wherever_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.csv").write_text("id\n1\n")
    monkeypatch.chdir(tmp_path)
    assert cxflow("init", "shop", "--csv", "exports/a.csv").code == 0
    assert 'path = "../exports/a.csv"' in (tmp_path / "shop" / "cxflow.toml").read_text()
    assert cxflow("init", "--csv", "exports/a.csv").code == 0
    assert 'path = "exports/a.csv"' in (tmp_path / "cxflow.toml").read_text()


def test_a_file_of_any_time_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,at\n1,2026-03-01\n")
    os.utime(file, (4e9, 4e9))
    assert cxflow("init", tmp_path / "mine", "--csv", file).code == 0
    assert stream(tmp_path / "mine")["primary_key"] == ["id"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("answers.csv", b"", "has no header"),
        ("answers.csv", None, "there is no file"),
        ("answers.jsonl", b"", "has no records"),
        ("answers.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel file"),
        ("answers.csv", gzip.compress(gzip.compress(b"id\n1\n", mtime=0), mtime=0), "is compressed twice"),
        ("answers.csv.gz", gzip.compress(b"id\n1\n" * 99, mtime=0)[:-9], "is cut off"),
        ("answers.zip", b"PK\x05\x06" + bytes(18), "is not a text file"),
        ("answers.bin", b"\x00\x01\x02", "is not a text file"),
        ("answers.xlsx", b"PK\x03\x04 and nothing else", "is not a readable XLSX file"),
    ],
)
def test_init_says_what_is_wrong_with_a_file(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    answer = cxflow("init", tmp_path / "mine", "--csv", file)
    assert answer.code in (66, 78)
    assert message in answer.err
    assert not (tmp_path / "mine").exists()
