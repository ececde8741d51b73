"""The column names in a file's header, checked. Called by the formats that have headers."""

from __future__ import annotations

from collections.abc import Iterable

from cxflow.connect.column_names import trimmed, unique_names
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile
from cxflow.errors import SourceError
from cxflow.model.names import alike


def header_names(stream: FileStream, file: LocalFile, cells: Iterable[object]) -> list[str]:
    """Header cells as distinct column names (`unique_names`).

    Raises SourceError if there are more than `max_columns`, or if two differ in case alone.
    """
    row = list(cells)
    if len(row) > stream.max_columns:
        raise SourceError(
            f"{file.origin} has {len(row):,} columns, more than {stream.max_columns:,}",
            value=file.origin,
            fix="if that is its header, raise max_columns",
        )
    refuse_other_case(
        file, map(trimmed, row), f"name them yourself: columns = […], with skip_rows = {stream.skip_rows + 1}"
    )
    return unique_names(row)


def refuse_other_case(file: LocalFile, names: Iterable[str], fix: str) -> None:
    """Raise SourceError if two names differ in case alone: a mapping could not say which one it means."""
    if pair := alike(names):
        raise SourceError(
            f"{file.origin} has the columns {pair[0]!r} and {pair[1]!r}, which differ in case alone",
            value=pair[1],
            fix=f"SQL cannot tell them apart; {fix}",
        )
