"""Folders for work in progress: gone with their block or, where its process was killed, with the next process.

Each is locked while its process lives, and the lock goes with the process, however that ends. What nobody holds
is left over from somebody who died. Used by all stages that write files.
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
"""Ends the names of folders that may be removed: somebody's own `cxflow-something` is not ours."""
_FULL = ("No space left on device", "quota exceeded")


def is_full(problem: BaseException) -> bool:
    """Whether something failed for want of room on a disk of this machine."""
    return any(text in str(problem) for text in _FULL)


@contextmanager
def folder(purpose: str) -> Iterator[Path]:
    """A new folder among this machine's temporary ones."""
    with unfinished(Path(tempfile.gettempdir()), f"cxflow-{purpose}-", _MARK) as path:
        yield path


@contextmanager
def unfinished(parent: Path, prefix: str, suffix: str) -> Iterator[Path]:
    """A new folder in `parent`, its name between prefix and suffix. It may be renamed within the block, and then
    stays. Removes what others have left behind under the same suffix."""
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
        with suppress(FileNotFoundError):  # somebody swept before it was locked
            lock = os.open(path, os.O_RDONLY)
            # Some network file systems lock no folders; nobody can sweep there either.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _sweep(parent: Path, suffix: str) -> None:
    for path in parent.glob(f"*{suffix}"):
        with suppress(OSError):  # it is another user's, or gone already, or its process lives
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(lock)
