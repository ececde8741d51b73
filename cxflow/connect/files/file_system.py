"""Opens and lists the file system behind a stream's path, and translates its errors. Called by `file_set`."""

from __future__ import annotations

import errno
import glob
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from cxflow.errors import ConfigError, SourceError, TransientError

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that Python does not support
    RuntimeError,  # an encrypted archive
)
"""What archives raise for damaged content."""


class Folders(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The local file system. fsspec's own skips folders that it cannot list: their files would count as gone."""

    def ls(self, path: Any, detail: bool = False, **options: Any) -> Any:
        """What a folder holds. Raises SourceError where it cannot be listed, TransientError where it may later."""
        try:
            return super().ls(path, detail=detail, **options)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as problem:
            name = as_text(str(path))
            if isinstance(problem, PermissionError):
                raise SourceError(f"no permission to list {name}", value=name) from problem
            kind = SourceError if problem.errno in (errno.ELOOP, errno.ENAMETOOLONG) else TransientError
            raise kind(f"{name} cannot be listed: {problem.strerror}", value=name) from problem


def opened(pattern: str, root: Path, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a path or URL, and the glob on it. Paths are relative to `root`, the project's folder.

    Raises ConfigError for a URL of an unknown file system, SourceError for an archive that cannot be opened.
    """
    if "://" not in pattern:
        # The project's folder is not a glob, whatever its name; `..` and `.` would not match a listing.
        return Folders(), os.path.normpath(os.path.join(glob.escape(str(root)), pattern))
    with _opening(pattern):
        file_system, path = fsspec.core.url_to_fs(_with_archive(pattern, root), **options)
    return (Folders() if isinstance(file_system, LocalFileSystem) else file_system), path


@contextmanager
def _opening(pattern: str) -> Iterator[None]:
    """Turn errors of opening a file system in the block into errors that name the path."""
    try:
        yield
    except (ImportError, ValueError, TypeError) as problem:
        raise ConfigError(f"{pattern} cannot be opened: {problem}", value=pattern) from problem
    except FileNotFoundError as problem:
        raise SourceError(f"{pattern} names an archive that does not exist", value=pattern) from problem
    except (PermissionError, IsADirectoryError, *DAMAGED) as problem:
        raise SourceError(
            f"{pattern} cannot be opened: {problem}", value=pattern, fix="check that it is an intact archive"
        ) from problem
    except OSError as problem:
        raise TransientError(f"{pattern} cannot be opened: {problem}", value=pattern) from problem


def _with_archive(pattern: str, root: Path) -> str:
    """A URL that ends in a local archive (`zip://*.csv::exports.zip`), with the archive below the project's folder."""
    *inner, archive = pattern.split("::")
    if not inner or "://" in archive:
        return pattern
    return "::".join([*inner, os.path.join(root, archive)])


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn errors of the file system in the block into errors that name `path`."""
    try:
        yield
    except PermissionError as problem:
        raise SourceError(f"no permission to read {path}", value=path) from problem
    except FileNotFoundError as problem:
        raise TransientError(f"{path} has disappeared since it was listed", value=path) from problem
    except OSError as problem:
        raise TransientError(f"{path} cannot be read: {problem}", value=path) from problem
    except DAMAGED as problem:
        raise SourceError(f"{path} cannot be read: {problem}", value=path) from problem


def as_text(path: str) -> str:
    """The path in UTF-8: other bytes are escaped as `\\xNN`."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return path
