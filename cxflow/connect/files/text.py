"""Opens text files: plain or compressed, in whatever encoding, as bytes of UTF-8. Used by the formats.

Every byte is read before anything lands, so that a compressed file that is cut off is noticed.
"""

from __future__ import annotations

import gzip
import io
import tempfile
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
_MARKS = (
    (BOM_UTF32_LE, "utf-32"),  # begins like the mark of UTF-16
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to land."""

    path: Path
    """Where it can be read here."""
    origin: str
    """What to call it."""
    delivered_at: datetime


def as_utf8(stream: FileStream, file: LocalFile, folder: Path) -> LocalFile:
    """The file itself where it is UTF-8, else a copy in `folder` that is.

    A byte order mark of UTF-16 or UTF-32 tells the encoding where none is declared. A byte that is not UTF-8 is
    left for the reader to reject with its line; in any other encoding it is an error. Raises SourceError for a file
    that is cut off or not what its name says.
    """
    encoding = stream.encoding
    with reading(file):
        if encoding.lower().replace("_", "-") in _NATIVE_ENCODINGS:
            encoding = marked_encoding(file.path) or "utf-8"
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


def opened(stream: FileStream, file: LocalFile) -> IO[bytes]:
    """The bytes of a plain or compressed file.

    Reading raises SourceError where a compressed one unpacks to more than `max_expanded_bytes`.
    """
    raw = _open(file.path)
    if file.path.suffix.lower() not in (".gz", ".zst"):
        return raw
    return io.BufferedReader(_Unpacked(raw, stream.max_expanded_bytes, file.origin), 1 << 20)


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


class _Unpacked(io.RawIOBase):
    """What a compressed file unpacks to, up to a limit."""

    def __init__(self, source: IO[bytes], most: int, origin: str) -> None:
        self._source: Any = source
        self._left, self._most, self._origin = most, most, origin

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises SourceError over the limit."""
        count = int(self._source.readinto(buffer))
        self._left -= count
        if self._left < 0:
            raise SourceError(
                f"{self._origin} unpacks to more than {self._most:,} bytes",
                value=self._origin,
                fix="if it is meant to, raise max_expanded_bytes",
            )
        return count

    def close(self) -> None:
        """Closes the file, too."""
        self._source.close()
        super().close()


def _suffix(path: Path) -> str:
    """What DuckDB tells a compression by."""
    return path.suffix.lower() if path.suffix.lower() in (".gz", ".zst", ".parquet") else ".txt"


def _open(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"), _BUFFER_BYTES)
    if suffix == ".zst":
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"), _BUFFER_BYTES)
    return path.open("rb", buffering=_BUFFER_BYTES)
