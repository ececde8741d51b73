"""The file that a command's `--output` names: checked before the work, written whole after it."""

from __future__ import annotations

from pathlib import Path

from cxflow import private_files
from cxflow.errors import ConfigError


def require_file(path: Path) -> Path:
    """The path, which may be new. Raises ConfigError for a folder."""
    if path.is_dir():
        raise ConfigError(f"--output is a folder: {path}", value=str(path), fix="name a file in it")
    return path


def write(path: Path, content: bytes) -> None:
    """Write the file aside and rename it: it is there whole or not at all. Only its owner can read it, unless it was
    there with another mode: it tells of customers. Raises ConfigError if it cannot be written."""
    try:
        private_files.replace(path, content)
    except OSError as problem:
        raise ConfigError(
            f"{path} cannot be written: {problem.strerror}",
            value=str(path),
            fix="name another file with --output",
        ) from problem
