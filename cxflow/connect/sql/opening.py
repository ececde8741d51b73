"""Opens the database behind a source's URL. Called by `connector`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from cxflow.connect.sql.database import SourceDatabase, no_driver
from cxflow.connect.sql.duckdb_file import DuckdbFile
from cxflow.connect.sql.mysql import Mysql
from cxflow.connect.sql.postgresql import Postgresql
from cxflow.connect.sql.sqlite import Sqlite
from cxflow.errors import ConfigError
from cxflow.settings import nearest

_KINDS: dict[str, type[SourceDatabase]] = {
    "postgresql": Postgresql,
    "sqlite": Sqlite,
    "duckdb": DuckdbFile,
    "mysql": Mysql,
    "mariadb": Mysql,
}
_DIALECTS = (*_KINDS, "mssql", "oracle")


def parsed(secret: str) -> sa.URL:
    """A parsed SQLAlchemy URL. Raises ConfigError, which never shows it, if it is not valid or has no driver."""
    # The text before `://` names the driver; without `//` it might be anything.
    name = secret.partition("://")[0]
    try:
        url = sa.make_url(secret)
        is_async = url.get_dialect().is_async
    except sa.exc.NoSuchModuleError:
        backend = name.partition("+")[0]
        raise ConfigError(
            f"there is no database driver {name!r}{nearest(backend, _DIALECTS)}",
            value="url",
            fix="install its SQLAlchemy dialect, or fix the URL",
        ) from None
    except ImportError:
        raise no_driver(name) from None
    except (sa.exc.ArgumentError, ValueError, TypeError):
        raise ConfigError(
            "url is not a database URL", value="url", fix="use one such as postgresql://reader@host/erp"
        ) from None
    if is_async:
        raise ConfigError(
            f"{url.drivername} is an asynchronous driver, and this connector is synchronous",
            value="url",
            fix=f"use {url.get_backend_name()}:// for the default driver",
        )
    return url


@contextmanager
def opened(
    url: sa.URL, folder: Path, timeout_seconds: float, folders: Sequence[str] = ()
) -> Iterator[SourceDatabase]:
    """The database behind a URL. Its file, and the `folders` whose files DuckDB's queries may read, are relative to
    `folder`.

    Raises the errors of `SourceDatabase.opened`, and ConfigError for a file that does not exist.
    """
    kind = _KINDS.get(url.get_backend_name(), SourceDatabase)
    if folders and kind is not DuckdbFile:
        raise ConfigError("only DuckDB reads files of folders", value="folders", fix="remove folders")
    if is_file(url):
        url = url.set(database=str(_file(url, folder)))
    with kind.opened(url, timeout_seconds, [str(folder / each) for each in folders]) as database:
        yield database


def is_file(url: sa.URL) -> bool:
    """Whether the database is a file."""
    return _KINDS.get(url.get_backend_name()) in (Sqlite, DuckdbFile)


def file_of(url: sa.URL, folder: Path) -> Path:
    """The absolute path of a database's file, whether it exists or not."""
    return (folder / (url.database or "").removeprefix("file:")).absolute()


def _file(url: sa.URL, folder: Path) -> Path:
    """A file's absolute path. Raises ConfigError if it does not exist: SQLite would create an empty one."""
    name = url.database or ""
    if name in ("", ":memory:"):
        raise ConfigError("an in-memory database has nothing to read", value="url", fix="name its file")
    path = file_of(url, folder)
    if not path.is_file():
        raise ConfigError("the database file in url does not exist", value="url")
    return path
