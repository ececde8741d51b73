"""Files and folders that are their owner's alone, whatever the umask. Used where personal data is written.

Only what cxflow makes gets a mode. A folder that exists keeps its own: a landing zone or warehouse may be shared on
purpose.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OTHERS = 0o077
"""The rights of group and others."""
_MAY_READ_OR_WRITE = 0o066


def folder(path: Path) -> None:
    """Make a folder, and those missing above it, with mode 0700. Raises OSError if something else is in its place."""
    missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
    for each in reversed(missing):
        with suppress(FileExistsError):  # another worker has just made it
            each.mkdir(mode=0o700)
            each.chmod(0o700)
    path.mkdir(exist_ok=True)


def own(path: Path) -> None:
    """Give a file mode 0600."""
    with suppress(PermissionError):  # some mounted file systems have no modes
        path.chmod(0o600)


def replace(path: Path, content: bytes) -> None:
    """Write a file aside and rename it: it is there whole or not at all. It has mode 0600, unless it was there with
    another. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    aside = Path(name)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        if path.exists():
            aside.chmod(stat.S_IMODE(path.stat().st_mode))
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


_lock = threading.Lock()
_masks: list[int] = []
_outer = 0
"""The umask outside of all blocks of `like`."""


@contextmanager
def like(path: Path) -> Iterator[None]:
    """In the block, files that this process creates give group and others no more rights than `path` does; none if it
    does not exist yet. For libraries that create files themselves, such as a log beside a database.

    The umask belongs to the process: files of other threads get it meanwhile, too.
    """
    try:
        mask = ~path.stat().st_mode & _OTHERS
    except OSError:
        mask = _OTHERS
    _narrow(add=mask)
    try:
        yield
    finally:
        _narrow(remove=mask)


def _narrow(*, add: int | None = None, remove: int | None = None) -> None:
    global _outer
    with _lock:
        if not _masks:
            _outer = os.umask(_OTHERS)
        if add is not None:
            _masks.append(add)
        if remove is not None:
            _masks.remove(remove)
        mask = _outer
        for each in _masks:
            mask |= each
        os.umask(mask)


def shared(path: Path) -> Path | None:
    """The file itself, or the first one in a folder, that group or others may read or write; None if there is none.
    What is inside a closed folder cannot be reached."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return path if mode & _MAY_READ_OR_WRITE else None
        if not stat.S_ISDIR(mode) or not mode & _OTHERS:
            return None
        return next((found for each in sorted(path.iterdir()) if (found := shared(each))), None)
    except OSError:  # gone, or another user's
        return None


def mode(path: Path) -> str:
    """The mode of a file as `chmod` writes it."""
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"
