"""Reads local files by their format. Called by the connector.

Text stays text: nothing is cast here, so that leading zeros, odd dates and big numbers arrive as written. Each format
also counts a file's records independently of reading them, for the landing zone to compare.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from cxflow import scratch
from cxflow.connect.files import delimited, documents, lines, parquet, workbook
from cxflow.connect.files.items import Format, Items
from cxflow.connect.files.stream import FileFormat, FileStream
from cxflow.connect.files.text import LocalFile
from cxflow.duck import workbench
from cxflow.errors import SourceError

_FORMATS: dict[FileFormat, Format] = {
    "csv": delimited.read,
    "tsv": delimited.read,
    "jsonl": lines.read_jsonl,
    "json": documents.read,
    "parquet": parquet.read,
    "fixed_width": lines.read_fixed_width,
    "xlsx": workbook.read,
}


def read(stream: FileStream, files: list[LocalFile], folder: Path) -> Items:
    """Read files of the same format. `folder` is for scratch files.

    Raises SourceError for a file that cannot be read as declared.
    """
    try:
        with workbench() as database:
            yield from _FORMATS[stream.file_format(files[0].origin)](stream, files, database, folder)
    except duckdb.OutOfMemoryException:
        raise  # not the file's fault
    except duckdb.Error as problem:
        if scratch.is_full(problem):
            raise
        text = str(problem)
        culprit = next((file.origin for file in files if str(file.path) in text), files[0].origin)
        # What follows quotes the file and may be personal: it must not reach the message or the exception chain.
        why = re.split(r" with value | Input: |\n", text)[0]
        raise SourceError(f"{culprit} cannot be read: {why}", value=culprit) from None
