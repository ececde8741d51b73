"""Reads the column names of a file, and nothing beyond its header. Called by the connector, for checks before a run."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from cxflow.connect.column_names import RESERVED
from cxflow.connect.files import examined, workbook
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, by_content, encoding_of, opened, reading
from cxflow.errors import SourceError

_BLOCK_CHARACTERS = 1 << 20
"""Longer than any header; what is decoded of a text that is not UTF-8."""


def names(stream: FileStream, file: LocalFile, folder: Path) -> tuple[str, ...] | None:
    """The raw columns of a file, as a reading names them; empty without a header. None for JSON, where only all records
    together tell. `folder` is for scratch files. Raises SourceError for a header that a reading would refuse."""
    match stream.file_format(file.origin):
        case "json" | "jsonl":
            return None
        case "fixed_width":
            return tuple(stream.fields)
        case "parquet":
            return _of_parquet(file)
        case "xlsx":
            return workbook.header(stream, file)
        case _:
            with reading(file), _beginning(stream, file, folder) as source:
                return examined.header(stream, file, source)


@contextmanager
def _beginning(stream: FileStream, file: LocalFile, folder: Path) -> Iterator[IO[bytes]]:
    """The text of a file as UTF-8; of a file in another encoding, only its beginning."""
    file = by_content(file, folder)
    encoding = encoding_of(stream, file)
    with opened(stream, file) as raw:
        if encoding == "utf-8":
            yield raw
            return
        with io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
            block = text.read(_BLOCK_CHARACTERS).encode()
        yield io.BufferedReader(io.BytesIO(block))


def _of_parquet(file: LocalFile) -> tuple[str, ...]:
    with reading(file):
        try:
            found = pq.read_schema(file.path).names
        except pa.ArrowInvalid:
            raise SourceError(
                f"{file.origin} is not a readable Parquet file; is it cut off?", value=file.origin
            ) from None
    return tuple(f"{name}_2" if name.lower() in RESERVED else name for name in found)
