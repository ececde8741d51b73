"""Scans the XML of a sheet for what a reader of cells does not tell: the number of rows with a value, which is the
independent count, and what looks empty or like text and is neither. Called by `workbook`."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from cxflow.connect.files.text import LocalFile
from cxflow.errors import SourceError

_BLOCK_BYTES = 1 << 20
_VALUE = re.compile(rb"<(?:\w+:)?[vt](?:\s[^>]*)?>[^<]")
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_ROW = re.compile(rb'[^>]*?\br="([0-9]+)"')
_PLACE = re.compile(rb'\br="([A-Z]+[0-9]+)"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_ERROR = re.compile(rb'\bt="e"')
_CONTENT = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>([^<]*)<")
_TEXT = re.compile(rb'\bt="str"')
"""Of a formula whose value is a text, which may be empty."""
_MERGE = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')
_MOST_FAULTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Range:
    """Merged cells. Rows and columns count from 1."""

    row: int
    column: int
    last_row: int
    last_column: int
    shown: str


@dataclass(slots=True)
class Sheet:
    """What was found."""

    rows: int = 0
    """Rows with a value, or with a fault."""
    faults: dict[int, str] = field(default_factory=dict)
    """Row to what is wrong with its first faulty cell."""
    only_faults: set[int] = field(default_factory=set)
    """Rows with a fault and without a value."""
    merges: list[Range] = field(default_factory=list)


def scan(file: LocalFile, part: str | None, null_values: Collection[str]) -> Sheet:
    """Scan the part with the sheet's rows. An error value among `null_values` is no fault.

    Raises SourceError for more faults than can be told."""
    sheet = Sheet()
    if part is None:
        return sheet
    with zipfile.ZipFile(file.path) as parts, parts.open(part) as xml:
        number = 0
        for row in _rows(iter(lambda: xml.read(_BLOCK_BYTES), b"")):
            said = _ROW.match(row)
            number = int(said[1]) if said else number + 1
            _see(sheet, row, number, null_values)
    if len(sheet.faults) > _MOST_FAULTS:
        raise SourceError(
            f"{file.origin} has more than {_MOST_FAULTS:,} faulty rows; one has {next(iter(sheet.faults.values()))}",
            value=file.origin,
            fix="open it in a spreadsheet program and save it, which computes its formulas",
        )
    return sheet


def _rows(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The XML of each row; the last one with all that follows it."""
    rest, mark = b"", b"<row"
    for block in blocks:
        rest += block
        if b"sheetData" in rest and mark == b"<row":
            prefix = re.search(rb"<(\w+:)?sheetData", rest)
            mark = b"<" + (prefix[1] or b"" if prefix else b"") + b"row "
        *whole, rest = re.split(re.escape(mark.rstrip()) + rb"(?=[\s>/])", rest)
        yield from whole
        rest = mark.rstrip() + b" " + rest if whole or rest.startswith(mark) else rest
    yield rest


def _see(sheet: Sheet, row: bytes, number: int, null_values: Collection[str]) -> None:
    has_value = bool(_VALUE.search(row))
    sheet.rows += has_value
    if b"mergeCell" in row:
        sheet.merges += (
            Range(
                int(top),
                _number(left),
                int(bottom),
                _number(right),
                f"{(left + top).decode()}:{(right + bottom).decode()}",
            )
            for left, top, right, bottom in _MERGE.findall(row)
        )
    # Most rows have neither, and are searched no further.
    if b't="e"' not in row and not _FORMULA.search(row):
        return
    for cell in _CELL.finditer(row):
        attributes, content = cell[1], cell[2] or b""
        kind = ""
        if _ERROR.search(attributes):
            said = _CONTENT.search(content)
            if said and said[1].decode() in null_values:
                continue
            kind = "an error value"
        elif _FORMULA.search(content) and not _VALUE.search(content) and not _TEXT.search(attributes):
            kind = "a formula without a stored value"
        if kind:
            place = _PLACE.search(attributes)
            where = place[1].decode() if place else f"row {number}"
            sheet.faults.setdefault(number, f"{kind} in {where}")
            if not has_value and number not in sheet.only_faults:
                sheet.only_faults.add(number)
                sheet.rows += 1


def _number(letters: bytes) -> int:
    """The number of a column from its letters: A is 1."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number
