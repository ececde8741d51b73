"""Scratch folders, removed at the end of their block or, if the process was killed, by the next process.

Each folder is locked while its process lives; the lock disappears with the process, however it ends. A folder without a
lock is left over from a killed process. Used by all stages that write files.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MARK = ".scratch"
"""The suffix of folders that may be removed: a user's own `cxflow-something` must stay."""
_FULL = ("No space left on device", "quota exceeded")


def is_full(problem: BaseException) -> bool:
    """Whether an error means that a disk or quota of this machine is full."""
    return any(text in str(problem) for text in _FULL)


@contextmanager
def folder(purpose: str) -> Iterator[Path]:
    """A new folder in this machine's temporary folder, for the block."""
    with unfinished(Path(tempfile.gettempdir()), f"cxflow-{purpose}-", _MARK) as path:
        yield path


@contextmanager
def unfinished(parent: Path, prefix: str, suffix: str) -> Iterator[Path]:
    """A new folder in `parent`, with a name between prefix and suffix, for the block. Renaming it within the block
    keeps it. Also removes leftover folders with the same suffix."""
    _sweep(parent, suffix)
    path, lock = _new(parent, prefix, suffix)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _new(parent: Path, prefix: str, suffix: str) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(suffix, prefix, parent))
        with suppress(FileNotFoundError):  # another process swept it before it was locked
            lock = os.open(path, os.O_RDONLY)
            # Some network file systems cannot lock folders; other processes cannot sweep there either.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _sweep(parent: Path, suffix: str) -> None:
    for path in parent.glob(f"*{suffix}"):
        with suppress(OSError):  # another user's, already gone, or its process lives
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(lock)
