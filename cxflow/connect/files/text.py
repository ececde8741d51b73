"""Opens text files, plain or compressed and in any encoding, as UTF-8 bytes. Used by the formats.

Every byte is read before anything lands, so that a truncated compressed file is detected.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from cxflow.connect.files.stream import FileStream
from cxflow.errors import SourceError, TransientError

_NATIVE_ENCODINGS = ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii")
_BLOCK_CHARACTERS = 1 << 20
_BUFFER_BYTES = 1 << 16
_SAMPLE_BYTES = 1 << 10
_PACKED = ((b"\x1f\x8b", ".gz"), (b"\x28\xb5\x2f\xfd", ".zst"))
"""The first bytes of a compressed file to the suffix that tells it."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_MARKS = (
    (BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its prefix
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to land."""

    path: Path
    """Its local path."""
    origin: str
    """Its name in messages and in `_origin`."""
    received_at: datetime
    """When it was delivered: the last instant of the day in its path, or else its modification time."""


def as_utf8(stream: FileStream, file: LocalFile, folder: Path) -> LocalFile:
    """The file itself if it is UTF-8, else a UTF-8 copy in `folder`.

    A compressed file is told by its first bytes, whatever its name. A byte order mark of UTF-16 or UTF-32 tells the
    encoding if none is declared. Invalid UTF-8 is left to the reader,
    which rejects its line; in any other encoding, invalid bytes are an error. Raises SourceError for a file that is
    truncated or not what its name says, for a ZIP archive, and for UTF-16 that neither is declared nor has a mark.
    """
    with reading(file):
        file = by_content(file, folder)
        encoding = encoding_of(stream, file)
        if encoding == "utf-8":
            return file
        with (
            io.TextIOWrapper(opened(stream, file), encoding=encoding, newline="") as text,
            tempfile.NamedTemporaryFile(
                "w", dir=folder, suffix=".txt", encoding="utf-8", newline="", delete=False
            ) as copy,
        ):
            while block := text.read(_BLOCK_CHARACTERS):
                copy.write(block)
    return replace(file, path=Path(copy.name))


def encoding_of(stream: FileStream, file: LocalFile) -> str:
    """The encoding of a file: the declared one or, by default, the one that a byte order mark tells, or UTF-8.

    Raises SourceError for UTF-16 that neither is declared nor has a mark."""
    if stream.encoding.lower().replace("_", "-") not in _NATIVE_ENCODINGS:
        return stream.encoding
    if marked := marked_encoding(file.path):
        return marked
    _refuse_unmarked_utf16(file)
    return "utf-8"


@contextmanager
def reading(file: LocalFile) -> Iterator[None]:
    """Turn errors of reading the file in the block into errors that name it."""
    try:
        yield
    except UnicodeDecodeError as problem:
        raise SourceError(
            f"{file.origin} is not {problem.encoding}: {problem.reason} at byte {problem.start}",
            value=file.origin,
            fix='set encoding = "…"',
        ) from None
    except PermissionError as problem:
        raise SourceError(f"no permission to read {file.origin}", value=file.origin) from problem
    except FileNotFoundError as problem:
        raise TransientError(
            f"{file.origin} has disappeared since it was listed", value=file.origin
        ) from problem
    except (EOFError, zlib.error) as problem:
        raise SourceError(f"{file.origin} is cut off: {problem}", value=file.origin) from problem
    except OSError as problem:
        if problem.errno is None:  # raised by decompressors for faulty content
            raise SourceError(
                f"{file.origin} is cut off or not what its name says: {problem}", value=file.origin
            ) from problem
        raise TransientError(f"{file.origin} cannot be read: {problem}", value=file.origin) from problem


def opened(stream: FileStream, file: LocalFile) -> IO[bytes]:
    """The bytes of a plain or compressed file.

    Reading raises SourceError if a compressed file unpacks to more than `max_expanded_bytes`.
    """
    raw = _open(file.path)
    if file.path.suffix.lower() not in (".gz", ".zst"):
        return raw
    return io.BufferedReader(_Unpacked(raw, stream.max_expanded_bytes, file.origin), 1 << 20)


def plainly_named(file: LocalFile, folder: Path) -> LocalFile:
    """The file under a name that DuckDB does not read as a glob, and with its compression suffix in lower case."""
    suffix = file.path.suffix
    if not any(mark in str(file.path) for mark in "*?[") and suffix == suffix.lower():
        return file
    return _linked(file, folder, _suffix(file.path))


def _linked(file: LocalFile, folder: Path, suffix: str) -> LocalFile:
    """The file under another name, with the suffix."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=suffix, delete=False) as place:
        link = Path(place.name)
    link.unlink()
    link.symlink_to(file.path.absolute())
    return replace(file, path=link)


def packed_by_content(file: LocalFile, folder: Path) -> LocalFile:
    """The file under a name that tells its compression, as its first bytes do. `folder` is for the link."""
    start = _first_bytes(file)
    suffix = next((each for mark, each in _PACKED if start.startswith(mark)), None)
    if suffix is None or suffix == file.path.suffix.lower():
        return file
    return _linked(file, folder, suffix)


def by_content(file: LocalFile, folder: Path) -> LocalFile:
    """Likewise of a text. Raises SourceError for a ZIP archive."""
    if _first_bytes(file) in _ZIP:
        raise SourceError(
            f"{file.origin} is {'an XLSX workbook' if _is_workbook(file.path) else 'a ZIP archive'}, not text",
            value=file.origin,
            fix='set format = "xlsx"'
            if _is_workbook(file.path)
            else f'read what is in it: path = "zip://*::{file.path.name}"',
        )
    return packed_by_content(file, folder)


def _first_bytes(file: LocalFile) -> bytes:
    with file.path.open("rb") as raw:
        return raw.read(4)


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as parts:
            return any(name.startswith("xl/") for name in parts.namelist())
    except zipfile.BadZipFile:
        return False


def _refuse_unmarked_utf16(file: LocalFile) -> None:
    """Raise SourceError if every other byte of the first ones is zero: text in UTF-16 without a byte order mark."""
    with _open(file.path) as raw:
        start = raw.read(_SAMPLE_BYTES)
    even, odd = start[0::2], start[1::2]
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if 2 * zeros.count(0) > len(zeros) > 1 and 0 not in others:
            raise SourceError(
                f"{file.origin} is not UTF-8: it seems to be {name} without a byte order mark",
                value=file.origin,
                fix=f'set encoding = "{name}"',
            )


def open_text(path: Path, encoding: str = "utf-8-sig", errors: str = "strict") -> IO[str]:
    """Open a plain or compressed text file, keeping its line ends."""
    return io.TextIOWrapper(_open(path), encoding=encoding, errors=errors, newline="")


def marked_encoding(path: Path) -> str | None:
    """The encoding told by a byte order mark other than UTF-8's: spreadsheets save "Unicode text" this way."""
    with _open(path) as raw:
        start = raw.read(4)
    return next((name for mark, name in _MARKS if start.startswith(mark)), None)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a compressed file, up to a limit."""

    def __init__(self, source: IO[bytes], most: int, origin: str) -> None:
        self._source: Any = source
        self._left, self._most, self._origin = most, most, origin

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises SourceError over the limit."""
        count = int(self._source.readinto(buffer))
        self._left -= count
        if self._left < 0:
            raise SourceError(
                f"{self._origin} unpacks to more than {self._most:,} bytes",
                value=self._origin,
                fix="if that is intended, raise max_expanded_bytes",
            )
        return count

    def close(self) -> None:
        """Close the compressed file, too."""
        self._source.close()
        super().close()


def _suffix(path: Path) -> str:
    """The suffix by which DuckDB recognises a compression."""
    return path.suffix.lower() if path.suffix.lower() in (".gz", ".zst", ".parquet") else ".txt"


def _open(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"), _BUFFER_BYTES)
    if suffix == ".zst":
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"), _BUFFER_BYTES)
    return path.open("rb", buffering=_BUFFER_BYTES)
