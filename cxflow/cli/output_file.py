"""What a command writes where its caller says: checked before the work, a file written whole after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxflow import private_files
from cxflow.errors import ConfigError, TransientError
from cxflow.scratch import is_full


def require_file(path: Path) -> Path:
    """The path, which may be new. Raises ConfigError for a folder."""
    if path.is_dir():
        raise ConfigError(f"--output is a folder: {path}", value=str(path), fix="name a file in it")
    return path


def write(path: Path, content: bytes) -> None:
    """Write the file aside and rename it: it is there whole or not at all. Only its owner can read it, unless it was
    there with another mode: it tells of customers. Raises what `writing` raises."""
    with writing(path, "name another file with --output"):
        private_files.replace(path, content)


@contextmanager
def writing(path: Path, fix: str) -> Iterator[None]:
    """Turn an OSError in the block into a TransientError (disk full) or a ConfigError that names the file or folder and
    the `fix`."""
    try:
        yield
    except OSError as problem:
        if is_full(problem):
            raise TransientError(
                f"the disk of {path} is full", value=str(path), fix="free some disk space"
            ) from problem
        raise ConfigError(
            f"{path} cannot be written: {problem.strerror}", value=str(path), fix=fix
        ) from problem
