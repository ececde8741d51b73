"""From the URL of a source to its database, open. Called by `connector`."""

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
    # What stands before the first colon names the driver; without `//` it might be anything.
    name = secret.partition("://")[0]
    try:
        url = sa.make_url(secret)
        is_async = url.get_dialect().is_async
    except sa.exc.NoSuchModuleError:
        backend = name.partition("+")[0]
        raise ConfigError(
            f"there is no driver {name!r} of databases{nearest(backend, _DIALECTS)}",
            value="url",
            fix="install SQLAlchemy's dialect of it, or fix the URL",
        ) from None
    except ImportError:
        raise no_driver(name) from None
    except (sa.exc.ArgumentError, ValueError, TypeError):
        raise ConfigError(
            "url is not a database URL", value="url", fix="such as postgresql://reader@host/erp"
        ) from None
    if is_async:
        raise ConfigError(
            f"{url.drivername} is an asynchronous driver, and this connector waits",
            value="url",
            fix=f"{url.get_backend_name()}:// takes the usual one",
        )
    return url


@contextmanager
def opened(
    url: sa.URL, folder: Path, timeout_seconds: float, folders: Sequence[str] = ()
) -> Iterator[SourceDatabase]:
    """The database behind a URL. Its file, and the `folders` whose files DuckDB's queries may read, are relative to
    `folder`.

    Raises what `SourceDatabase.opened` raises, and ConfigError for a file that is not there.
    """
    kind = _KINDS.get(url.get_backend_name(), SourceDatabase)
    if folders and kind is not DuckdbFile:
        raise ConfigError("only DuckDB reads files of folders", value="folders", fix="leave out folders")
    if kind in (Sqlite, DuckdbFile):
        url = url.set(database=str(_file(url, folder)))
    with kind.opened(url, timeout_seconds, [str(folder / each) for each in folders]) as database:
        yield database


def _file(url: sa.URL, folder: Path) -> Path:
    """A file's path, absolute. The file is there: SQLite would make one, empty."""
    name = url.database or ""
    if name in ("", ":memory:"):
        raise ConfigError("a database in memory holds nothing to read", value="url", fix="name its file")
    path = (folder / name.removeprefix("file:")).absolute()
    if not path.is_file():
        raise ConfigError("the database file that url names is not there", value="url")
    return path
