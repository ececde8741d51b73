"""Reports how far the pass over files is in which their records are counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO

from cxflow.connect.files.text import LocalFile
from cxflow.model import progress


class Counting:
    """One pass over files, each once. Its share is that of the bytes; unknown in a compressed file."""

    def __init__(self, files: Sequence[LocalFile]) -> None:
        self._files = [(file, _size(file)) for file in files]
        self._total = sum(size for _, size in self._files)
        self._before = self._size = self._records = 0

    def __iter__(self) -> Iterator[LocalFile]:
        """The files, as the pass comes to them."""
        for file, size in self._files:
            self._size = size
            yield file
            self._before += size

    def at(self, source: IO[bytes], records: int) -> None:
        """Report the place in the present file, and its records so far."""
        share = None
        if self._total and source.seekable():
            share = (self._before + min(source.tell(), self._size)) / self._total
        progress.report("counting", self._records + records, share=share)

    def add(self, records: int) -> None:
        """Add the records of a file that was read to its end."""
        self._records += records


def _size(file: LocalFile) -> int:
    with suppress(OSError):  # it has disappeared: whoever reads it says so
        return file.path.stat().st_size
    return 0
