"""Fixed width, JSON Lines, JSON, Parquet and XLSX."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_source import DAY, Drop

from cxflow.errors import ConfigError, SourceError
from cxflow.testing import TestProject

FIELDS = {"id": [1, 3], "name": [5, 10], "score": [11, 12]}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_fixed_width_cells_are_cut_by_character_and_trimmed(drop: Drop, end: str) -> None:
    drop.write("a.txt", end.join(("001 Ñandú  9", "002 Bob    -", "", "003       7x", "")))
    found = drop.land(format="fixed_width", fields=FIELDS, null_values=["-"])
    assert found.records == [
        {"id": "001", "name": "Ñandú", "score": "9"},
        {"id": "002", "name": "Bob", "score": None},
        {"id": "003", "name": None, "score": "7x"},
    ]
    assert found.malformed == []


def test_a_fixed_width_line_that_ends_too_early_is_malformed(drop: Drop) -> None:
    drop.write("a.txt", "HEADER\n001 Ada     9\n002 Bob\n")
    found = drop.land(format="fixed_width", fields=FIELDS, skip_rows=1)
    assert found.ids == ["001"]
    assert found.malformed == [("line too short", "002 Bob")]


def test_any_character_may_stand_in_a_fixed_width_line(drop: Drop) -> None:
    drop.write("a.txt", "001 a\x1f,\"' 8\n002 a\tb;| 7\r\n")
    found = drop.land(format="fixed_width", fields=FIELDS)
    assert [record["name"] for record in found.records] == ["a\x1f,\"'", "a\tb;|"]


def test_fixed_width_of_another_encoding_counts_characters_not_bytes(drop: Drop) -> None:
    drop.write("a.txt", "001 Ñandú  9\n".encode("latin-1"))
    assert drop.land(format="fixed_width", fields=FIELDS, encoding="latin-1").records[0]["name"] == "Ñandú"


def test_json_lines_land_to_the_letter(drop: Drop) -> None:
    lines = [
        '{"id": 9007199254740993, "price": 1.10, "name": "piñón 😀"}',
        '{"id":12345678901234567890123,"b":{"c":[1,null]}}',
        '  {"id": 3, "text": "a\\nb \\u00e9"}',
    ]
    drop.write("a.jsonl", "\ufeff" + "\n\n".join(lines) + "\n   \n")
    found = drop.land()
    assert found.payloads == lines
    assert found.malformed == []
    assert found.manifest.layout == "json"
    assert found.manifest.raw_columns == {
        "id": "VARCHAR",
        "price": "VARCHAR",
        "name": "VARCHAR",
        "b": {"c": ["VARCHAR"]},
        "text": "VARCHAR",
    }


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_line_that_is_no_json_object_is_malformed_and_kept(drop: Drop, end: str) -> None:
    bad = ["[1]", '"text"', "null", '{"id": ', "{'id': 1}", '{"id": 1} {"id": 2}', '{"half": "\\ud83d"}']
    drop.write("a.ndjson", end.join(('{"id": 1}', *bad, '{"id": 2}', '{"id": 3, "cu')))
    found = drop.land()
    assert [json.loads(payload)["id"] for payload in found.payloads] == [1, 2]
    assert found.malformed == [("not a JSON object", line) for line in [*bad, '{"id": 3, "cu']]
    assert (found.manifest.records, found.manifest.malformed) == (10, 8)


def test_json_lines_that_end_in_two_ways_are_all_read(drop: Drop) -> None:
    drop.write("a.jsonl", '{"id": 1}\r\n{"id": 2}\n{"id": 3}\r\n{"id": 4}')
    assert [json.loads(payload)["id"] for payload in drop.land().payloads] == [1, 2, 3, 4]


def test_bytes_that_are_no_utf_8_cost_one_json_line(drop: Drop) -> None:
    drop.write("a.jsonl", b'{"id": 1}\n{"id": "caf\xe9"}\n{"id": 3}\nnull\n')
    found = drop.land()
    assert [json.loads(payload)["id"] for payload in found.payloads] == [1, 3]
    assert [reason for reason, _ in found.malformed] == ["invalid encoding in line 2", "not a JSON object"]


def test_json_lines_of_another_encoding_are_read(drop: Drop) -> None:
    drop.write("a.jsonl", '{"id": "Ñ"}\n'.encode("utf-16"))
    assert drop.land(encoding="utf-16").payloads == ['{"id": "Ñ"}']


def test_large_ids_and_unicode_reach_the_warehouse_exactly(drop: Drop) -> None:
    mapping = {
        "touchpoint": {"activity": "'wrote_review'", "channel": "'web'", "occurred_at": "happened"},
        "review": {
            "review_id": "id",
            "review_body": "text",
            "rating_value": "stars",
            "date_published": "happened",
        },
    }
    stream = {"path": "exports/*", "primary_key": ["id"], "to": mapping}
    configuration = {"connections": {"shop": {"connector": "files", "streams": {"reviews": stream}}}}
    record = '"happened": "2026-03-01T10:00:00Z", "text": "piñón 😀 é", "stars": 4'
    drop.write("a.jsonl", f'{{"id": 9007199254740993, {record}}}\n{{"id": 9007199254740992, {record}}}\n')
    drop.write("b.json", f'[{{"id": 12345678901234567890, {record}}}]')
    project = TestProject(drop.folder, configuration)
    report = project.run()["shop.reviews"]
    assert (report.counts.extracted, report.counts.inserted) == (3, 3)
    assert project.rows("review", "review_id", "review_body") == [
        ("shop:12345678901234567890", "piñón 😀 é"),
        ("shop:9007199254740992", "piñón 😀 é"),
        ("shop:9007199254740993", "piñón 😀 é"),
    ]
    assert project.books_balance()


@pytest.mark.parametrize(
    ("document", "records"),
    [
        ('[{"id": 1}, {"id": 2}]', None),
        ('\ufeff {"data": {"items": [{"id": 1}, {"id": 2}]}, "next": null}', "data.items"),
        ('{"my data": {"all-items": [{"id": 1}, {"id": 2}]}}', "my data.all-items"),
    ],
)
def test_a_json_document_yields_the_records_of_its_list(
    drop: Drop, document: str, records: str | None
) -> None:
    drop.write("a.json", document)
    found = drop.land(**({"records": records} if records else {}))
    assert found.payloads == ['{"id": 1}', '{"id": 2}']


def test_items_that_are_no_objects_are_malformed(drop: Drop) -> None:
    drop.write("a.json", '[{"id": 9007199254740993}, 3, null, "x", [1]]')
    found = drop.land()
    assert found.payloads == ['{"id": 9007199254740993}']
    assert found.malformed == [("not a JSON object", text) for text in ("3", "null", '"x"', "[1]")]


@pytest.mark.parametrize("document", ['{"data": {"items": 3}}', '{"data": []}', '{"items": [{}]}', "[]"])
def test_a_document_without_a_list_at_the_declared_place_is_an_error(drop: Drop, document: str) -> None:
    drop.write("a.json", document)
    with pytest.raises(SourceError, match=r"a\.json has no list at data\.items .*records ="):
        drop.land(records="data.items")


def test_an_empty_list_is_an_empty_batch(drop: Drop) -> None:
    drop.write("a.json", "[]")
    found = drop.land()
    assert (found.manifest.records, found.manifest.raw_columns) == (0, {})


def _parquet(drop: Drop, name: str, table: pa.Table, at: datetime = DAY) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    drop.write(name, buffer.getvalue(), at)


def test_parquet_keeps_its_types(drop: Drop) -> None:
    moment = datetime(2026, 3, 1, 10, 30)  # noqa: DTZ001  a time without a zone is what is tested
    _parquet(
        drop,
        "a.parquet",
        pa.table(
            {
                "id": pa.array([9007199254740993]),
                "naive": pa.array([moment], pa.timestamp("us")),
                "zoned": pa.array([moment], pa.timestamp("us", tz="Europe/Madrid")),
                "amount": pa.array([Decimal("12345678901234.5678")]),
                "tags": pa.array([["a", "b"]]),
            }
        ),
    )
    found = drop.land()
    assert found.records == [
        {
            "id": 9007199254740993,
            "naive": moment,
            "zoned": moment.replace(tzinfo=UTC),
            "amount": Decimal("12345678901234.5678"),
            "tags": ["a", "b"],
        }
    ]
    assert found.manifest.raw_columns == {
        "id": "BIGINT",
        "naive": "TIMESTAMP",
        "zoned": "TIMESTAMP WITH TIME ZONE",
        "amount": "DECIMAL(18,4)",
        "tags": "VARCHAR[]",
    }


def test_parquet_files_of_different_schemas_are_united_by_name(drop: Drop) -> None:
    _parquet(drop, "a.parquet", pa.table({"id": [1], "b": ["x"]}))
    _parquet(drop, "b.parquet", pa.table({"c": [2.5], "id": ["two"]}), DAY.replace(day=3))
    found = drop.land()
    assert found.records == [{"id": "1", "b": "x", "c": None}, {"id": "two", "b": None, "c": 2.5}]
    assert found.origins == ["a.parquet", "b.parquet"]


def test_times_with_and_without_a_zone_in_one_column_are_not_mixed(drop: Drop) -> None:
    moment = datetime(2026, 3, 1, 10)  # noqa: DTZ001  a time without a zone is what is tested
    _parquet(drop, "a.parquet", pa.table({"id": [1], "happened": pa.array([moment], pa.timestamp("us"))}))
    _parquet(
        drop, "b.parquet", pa.table({"id": [2], "happened": pa.array([moment], pa.timestamp("us", tz="UTC"))})
    )
    with pytest.raises(SourceError, match=r"b\.parquet: times in 'happened' have a zone in some files"):
        drop.land()


def test_parquet_columns_of_reserved_names_get_a_number(drop: Drop) -> None:
    _parquet(drop, "a.parquet", pa.table({"id": [1], "_payload": ["x"], "_ROW": [7]}))
    found = drop.land()
    assert found.records == [{"id": 1, "_payload_2": "x", "_ROW_2": 7}]
    assert found.manifest.layout == "columns"


def test_naive_parquet_times_are_taken_in_the_declared_zone(drop: Drop) -> None:
    moment = datetime(2026, 1, 15, 12)  # noqa: DTZ001  a time without a zone is what is tested
    _parquet(drop, "a.parquet", pa.table({"id": [1], "happened": pa.array([moment], pa.timestamp("us"))}))
    stream = {
        "path": "exports/*",
        "primary_key": ["id"],
        "to": {"touchpoint": {"activity": "'wrote_review'", "channel": "'web'", "occurred_at": "happened"}},
    }
    table = {"connector": "files", "timezone": "America/Sao_Paulo", "streams": {"reviews": stream}}
    project = TestProject(drop.folder, {"connections": {"shop": table}})
    project.run()
    assert project.rows("touchpoint", "occurred_at") == [(datetime(2026, 1, 15, 15, tzinfo=UTC),)]


def _xlsx(sheets: dict[str, Iterable[Iterable[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_xlsx_cells_become_text(drop: Drop) -> None:
    cells = (
        1,
        2.5,
        3.0,
        12345678901,
        datetime(2026, 3, 1, 10, 30),  # noqa: DTZ001  a sheet knows no zones
        date(2026, 3, 1),
        time(9, 5),
        timedelta(hours=26, minutes=3),
        True,
        "007",
        "",
        None,
    )
    names = ("id", "score", "whole", "big", "at", "day", "clock", "length", "flag", "text", "empty", "none")
    drop.write("a.xlsx", _xlsx({"Sheet": [names, cells]}))
    assert drop.land().records == [
        {
            "id": "1",
            "score": "2.5",
            "whole": "3",
            "big": "12345678901",
            "at": "2026-03-01T10:30:00",
            "day": "2026-03-01T00:00:00",
            "clock": "09:05:00",
            "length": "26:03:00",
            "flag": "True",
            "text": "007",
            "empty": None,
            "none": None,
        }
    ]


def test_blank_rows_of_a_sheet_are_no_records(drop: Drop) -> None:
    rows = [[None, None], ["id", "b"], [None, None], [1, "x"], [], [2, "-"], [None, None]]
    drop.write("a.xlsx", _xlsx({"Sheet": rows}))
    assert drop.land(null_values=["", "-"]).records == [{"id": "1", "b": "x"}, {"id": "2", "b": None}]


def test_the_declared_sheet_is_read_and_else_the_first(drop: Drop) -> None:
    drop.write("a.xlsx", _xlsx({"Intro": [["id"], [1]], "Answers": [["Title"], ["id", "b"], [2, "x"]]}))
    assert drop.land().ids == ["1"]
    assert drop.land(sheet="Answers", skip_rows=1).records == [{"id": "2", "b": "x"}]
    assert drop.land(sheet="Answers", skip_rows=2, columns=["id", "c"]).records == [{"id": "2", "c": "x"}]
    with pytest.raises(SourceError, match=r"no sheet 'Answer'; did you mean 'Answers'\? \(its sheets: Intro"):
        drop.land(sheet="Answer")


def test_names_of_a_sheet_or_of_parquet_that_differ_in_case_alone_are_refused(drop: Drop) -> None:
    drop.write("a.xlsx", _xlsx({"Sheet": [["id", "score", "Score"], [1, 2, 3]]}))
    _parquet(drop, "b.parquet", pa.table({"id": [1], "score": [2], "Score": [3]}))
    for name, fix in (("a.xlsx", "columns = "), ("b.parquet", "have the source rename one")):
        with pytest.raises(SourceError, match=rf"{name} has the columns 'score' and 'Score'.*{fix}"):
            drop.land(name)


@pytest.mark.parametrize("rows", [[], [["id", "b"]]])
def test_a_sheet_without_records_lands_none(drop: Drop, rows: list[list[str]]) -> None:
    drop.write("a.xlsx", _xlsx({"Sheet": rows}))
    assert drop.land().manifest.records == 0


def test_an_xlsx_file_may_have_any_name(drop: Drop) -> None:
    drop.write("report.2026", _xlsx({"Sheet": [["id", "b", "b"], [1, 2, 3]]}))
    assert drop.land(format="xlsx").records == [{"id": "1", "b": "2", "b_2": "3"}]


def test_an_xlsx_file_damaged_within_is_named(drop: Drop) -> None:
    whole = _xlsx({"Sheet": [["id"], *[[number] for number in range(3000)]]})
    drop.write("a.xlsx", whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"a\.xlsx is not a readable XLSX file"):
        drop.land()
    spoiled = bytearray(whole)
    at = whole.index(b"sheet1.xml") + 200
    spoiled[at : at + 50] = b"\x00" * 50
    drop.write("a.xlsx", bytes(spoiled))
    with pytest.raises(SourceError, match=r"a\.xlsx is not a readable XLSX file"):
        drop.land()


def test_files_of_several_formats_do_not_land_in_one_batch(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n")
    drop.write("b.tsv", "id\n2\n")
    assert drop.land(delimiter=",").ids == ["1", "2"]


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        ("*.csv", {"sheet": "Answers"}, "sheet means nothing for the format csv, only for xlsx"),
        ("*.csv.gz", {"records": "data"}, "records means nothing for the format csv, only for json"),
        ("*.tsv", {"fields": FIELDS}, "fields means nothing for the format tsv, only for fixed_width"),
        ("*.jsonl", {"delimiter": ";"}, "delimiter means nothing for the format jsonl, only for csv, tsv"),
        ("*.xlsx", {"quote": "'"}, "quote means nothing for the format xlsx, only for csv, tsv"),
        ("*.json", {"skip_rows": 1}, "skip_rows means nothing for the format json, only for csv"),
        ("*.json", {"columns": ["id"]}, "columns means nothing for the format json, only for csv, tsv, xlsx"),
        ("*.parquet", {"columns": ["id"]}, "columns means nothing for the format parquet"),
        ("*.parquet", {"encoding": "cp1252"}, "encoding means nothing for the format parquet"),
        ("*", {"format": "jsonl", "null_values": ["-"]}, "null_values means nothing for the format jsonl"),
        (["a.csv", "b.parquet"], {"sheet": "x"}, "sheet means nothing for the format csv, parquet"),
    ],
)
def test_a_setting_that_no_format_of_the_stream_uses_is_refused(
    drop: Drop, path: str | list[str], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"streams\.reviews: {message}"):
        drop.connector(path, **settings)


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        (["a.csv", "b.xlsx"], {"sheet": "x", "delimiter": ";"}),
        ("*", {"sheet": "x", "records": "data"}),  # any format may be there
        ("*.dat", {"format": "fixed_width", "fields": FIELDS, "skip_rows": 1}),
        ("*.jsonl", {"skip_rows": 1, "encoding": "latin-1", "max_columns": 10}),
        ("*.csv", {"null_values": ["-"], "columns": ["id"], "open_quote": "stop"}),
    ],
)
def test_a_setting_that_one_format_of_the_stream_may_use_is_taken(
    drop: Drop, path: str | list[str], settings: dict[str, Any]
) -> None:
    assert list(drop.connector(path, **settings).streams) == ["reviews"]
