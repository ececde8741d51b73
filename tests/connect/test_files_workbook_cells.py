"""XLSX cells that look empty, or like text, and are neither."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from file_source import Drop

from cxflow.errors import SourceError

HEAD = ("id", "happened", "total")


def book(drop: Drop, *rows: tuple[Any, ...], merge: str | None = None, head: tuple[Any, ...] = HEAD) -> Path:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    for row in (head, *rows):
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    path = drop.exports / "a.xlsx"
    made.save(path)
    return path


def test_a_formula_without_a_stored_value_refuses_its_row(drop: Drop) -> None:
    book(drop, (1, "x", 5), (2, "x", "=A3*2"), (3, "x", None))
    found = drop.land("*.xlsx")
    assert [(each["id"], each["total"]) for each in found.records] == [("1", "5"), ("3", None)]
    assert found.malformed == [("a formula without a stored value in C3", "2\tx\t")]


def test_a_row_of_nothing_but_formulas_is_counted_and_refused(drop: Drop) -> None:
    book(drop, (1, "x", 5), ("=1+1", "=A2", "=B2"), (3, "x", 7))
    found = drop.land("*.xlsx")
    assert found.ids == ["1", "3"]
    assert [reason for reason, _ in found.malformed] == ["a formula without a stored value in A3"]
    assert found.manifest.records == found.manifest.counted == 3


def test_a_formula_with_a_stored_value_is_that_value(drop: Drop) -> None:
    path = book(drop, (1, "x", "=2*21"))
    _edit(path, b"<v></v>", b"<v>42</v>", b"<v/>", b"<v>42</v>", b"<v />", b"<v>42</v>")
    found = drop.land("*.xlsx")
    assert [each["total"] for each in found.records] == ["42"]


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!"])
def test_an_error_value_refuses_its_row(drop: Drop, error: str) -> None:
    book(drop, (1, "x", 5), (2, "x", error))
    found = drop.land("*.xlsx")
    assert found.ids == ["1"]
    assert [reason for reason, _ in found.malformed] == ["an error value in C3"]


def test_an_error_value_that_means_null_is_null(drop: Drop) -> None:
    book(drop, (1, "x", "#N/A"), (2, "x", "#REF!"))
    found = drop.land("*.xlsx", null_values=["", "#N/A"])
    assert [(each["id"], each["total"]) for each in found.records] == [("1", None)]
    assert [reason for reason, _ in found.malformed] == ["an error value in C3"]


def test_a_formula_whose_value_is_an_empty_text_is_null(drop: Drop) -> None:
    path = book(drop, (1, "x", "=IF(A2=1,B1,B2)"))
    _edit(path, b'r="C2"', b'r="C2" t="str"')
    found = drop.land("*.xlsx")
    assert [(each["id"], each["total"]) for each in found.records] == [("1", None)]


def test_faults_above_the_data_do_not_matter(drop: Drop) -> None:
    book(drop, HEAD, (1, "x", 5), head=("=TODAY()", "#N/A", "Report"))
    found = drop.land("*.xlsx", skip_rows=1)
    assert (found.ids, found.malformed) == (["1"], [])
    assert found.manifest.records == found.manifest.counted == 1


def test_merged_cells_in_the_data_stop_the_file(drop: Drop) -> None:
    book(drop, (1, "x", 5), (2, None, 6), (3, None, 7), merge="B2:B4")
    with pytest.raises(SourceError, match=r"merged cells in its data \(B2:B4\)"):
        drop.land("*.xlsx")


def test_merged_cells_may_stand_for_all_of_them(drop: Drop) -> None:
    book(drop, (1, "x", 5), (2, None, 6), (3, None, 7), (4, None, 8), merge="B2:B4")
    found = drop.land("*.xlsx", merged_cells="repeat")
    assert [each["happened"] for each in found.records] == ["x", "x", "x", None]


def test_cells_merged_across_columns_are_repeated_too(drop: Drop) -> None:
    book(drop, (1, "x", None), (2, "y", 5), merge="B2:C2")
    found = drop.land("*.xlsx", merged_cells="repeat")
    assert [(each["happened"], each["total"]) for each in found.records] == [("x", "x"), ("y", "5")]


def test_a_merged_title_is_no_data(drop: Drop) -> None:
    book(drop, HEAD, (1, "x", 5), head=("Report", None, None), merge="A1:C1")
    assert drop.land("*.xlsx", skip_rows=1).ids == ["1"]


def test_a_typed_number_has_the_decimal_mark_of_its_stream(drop: Drop) -> None:
    book(drop, (1, "x", 12.345), (2, "x", 0.125), (3, "x", 7.0), (4, "x", "1.234,5"))
    found = drop.land("*.xlsx", decimal=",")
    assert [each["total"] for each in found.records] == ["12,345", "0,125", "7", "1.234,5"]


def test_a_typed_date_is_a_time_in_full(drop: Drop) -> None:
    book(drop, (1, date(2026, 3, 1), 1), (2, datetime(2026, 3, 1, 10, 30), 1))  # noqa: DTZ001 - cells have no zone
    found = drop.land("*.xlsx")
    assert [each["happened"] for each in found.records] == ["2026-03-01T00:00:00", "2026-03-01T10:30:00"]


def _edit(path: Path, *pairs: bytes) -> None:
    """Replace bytes in the sheet's XML."""
    with zipfile.ZipFile(path) as parts:
        contents = {name: parts.read(name) for name in parts.namelist()}
    sheet = contents["xl/worksheets/sheet1.xml"]
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        sheet = sheet.replace(old, new)
    contents["xl/worksheets/sheet1.xml"] = sheet
    with zipfile.ZipFile(path, "w") as parts:
        for name, content in contents.items():
            parts.writestr(name, content)
