"""Text files as DuckDB can read them: whole, in UTF-8, with one kind of line end. Called by `formats`.

Every byte is looked at before anything lands: DuckDB reads a compressed file that is cut off without a word,
up to the cut.
"""

from __future__ import annotations

import codecs
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO

import pyarrow as pa

from cxflow.errors import ConfigError, SourceError, TransientError

_NATIVE_ENCODINGS = ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii")
_BLOCK_BYTES = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to land."""

    path: Path
    """Where it can be read here."""
    origin: str
    """What to call it."""
    delivered_at: datetime


def readable(file: LocalFile, encoding: str, folder: Path, quote: str = "") -> LocalFile:
    """The file itself where DuckDB can read it, else a copy in `folder`.

    A byte order mark of UTF-16 or UTF-32 tells the encoding where none is declared. Line ends within `quote` are
    content and stay. A byte that is no UTF-8 is left to DuckDB, which rejects
    its line; in any other encoding it is an error. Raises SourceError for a file that is cut off or not what
    its name says, ConfigError for an unknown encoding.
    """
    with reading(file):
        if encoding.lower().replace("_", "-") in _NATIVE_ENCODINGS:
            encoding = marked_encoding(file.path) or "utf-8"
        if encoding != "utf-8":
            file = _decoded(file, encoding, folder)
        if _mixes_line_ends(file.path):
            file = _with_one_line_end(file, folder, quote)
    return plainly_named(file, folder)


@contextmanager
def reading(file: LocalFile) -> Iterator[None]:
    """Errors of reading the file in the block, as errors that name it."""
    try:
        yield
    except UnicodeDecodeError as problem:
        raise SourceError(
            f"{file.origin} is not {problem.encoding}: {problem.reason} at byte {problem.start}",
            value=file.origin,
            fix='say how it is written: encoding = "…"',
        ) from None
    except PermissionError as problem:
        raise SourceError(f"no right to read {file.origin}", value=file.origin) from problem
    except FileNotFoundError as problem:
        raise TransientError(f"{file.origin} is gone since it was listed", value=file.origin) from problem
    except (EOFError, zlib.error) as problem:
        raise SourceError(f"{file.origin} is cut off: {problem}", value=file.origin) from problem
    except OSError as problem:
        if problem.errno is None:  # the decompressors say by this that the content is at fault
            raise SourceError(
                f"{file.origin} is cut off or not what its name says: {problem}", value=file.origin
            ) from problem
        raise TransientError(f"{file.origin} cannot be read: {problem}", value=file.origin) from problem


def plainly_named(file: LocalFile, folder: Path) -> LocalFile:
    """The file under a name that DuckDB does not take for a glob, nor for plain because of its capitals."""
    suffix = file.path.suffix
    if not any(mark in str(file.path) for mark in "*?[") and suffix == suffix.lower():
        return file
    with tempfile.NamedTemporaryFile(dir=folder, suffix=_suffix(file.path), delete=False) as place:
        link = Path(place.name)
    link.unlink()
    link.symlink_to(file.path.absolute())
    return replace(file, path=link)


def open_text(path: Path, encoding: str = "utf-8-sig", errors: str = "strict") -> IO[str]:
    """A plain or compressed text file, its line ends as they are."""
    return io.TextIOWrapper(_open(path), encoding=encoding, errors=errors, newline="")


def marked_encoding(path: Path) -> str | None:
    """The encoding that a byte order mark says, where it is not UTF-8: what spreadsheets save as "Unicode text"."""
    with _open(path) as raw:
        begin = raw.read(4)
    return next((name for mark, name in _MARKS if begin.startswith(mark)), None)


def text_lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a text file, plain or compressed, undecodable bytes replaced. For connectors' parsers."""
    with io.TextIOWrapper(_open(path), encoding=encoding, errors="replace", newline=None) as text:
        yield from text


def _suffix(path: Path) -> str:
    """What DuckDB tells a compression by."""
    return path.suffix.lower() if path.suffix.lower() in (".gz", ".zst", ".parquet") else ".txt"


def _open(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"))
    if suffix == ".zst":
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def _blocks(path: Path) -> Iterator[bytes]:
    with _open(path) as raw:
        while block := raw.read(_BLOCK_BYTES):
            yield block


def _decoded(file: LocalFile, encoding: str, folder: Path) -> LocalFile:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ConfigError(f"unknown encoding {encoding!r}", value=encoding) from None
    with (
        open_text(file.path, encoding) as text,
        tempfile.NamedTemporaryFile(
            "w", dir=folder, suffix=".txt", encoding="utf-8", newline="", delete=False
        ) as copy,
    ):
        while block := text.read(_BLOCK_BYTES):
            copy.write(block)
    return replace(file, path=Path(copy.name))


def _mixes_line_ends(path: Path) -> bool:
    """Whether some lines end in CR LF and some in LF, those within quotes among them."""
    if not any(b"\r" in block for block in _blocks(path)):  # looked for in a tenth of the time of counting
        return False
    both = any_kind = 0
    last = b""
    for block in _blocks(path):
        both += block.count(b"\r\n") + (last == b"\r" and block[:1] == b"\n")
        any_kind += block.count(b"\n")
        last = block[-1:]
    return 0 < both < any_kind


def _with_one_line_end(file: LocalFile, folder: Path, quote: str) -> LocalFile:
    """A copy in which each line outside quotes ends in LF: DuckDB takes one kind a file."""
    mark = quote.encode()
    within = False
    held = b""
    with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".txt", delete=False) as copy:
        for block in _blocks(file.path):
            text = held + block
            # A CR LF (or a quote of several bytes) may lie across two blocks.
            cut = len(text) - max(len(mark), 1)
            text, held = text[:cut], text[cut:]
            if text.endswith(b"\r"):
                text, held = text[:-1], b"\r" + held
            within = _write_unified(copy, text, mark, within)
        _write_unified(copy, held, mark, within)
    return replace(file, path=Path(copy.name))


def _write_unified(copy: IO[bytes], text: bytes, mark: bytes, within: bool) -> bool:
    for number, part in enumerate(text.split(mark) if mark else [text]):
        if number:
            copy.write(mark)
            within = not within
        copy.write(part if within else part.replace(b"\r\n", b"\n"))
    return within
