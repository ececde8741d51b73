"""Names of data outside and inside of the warehouse, by OpenLineage's rules, so that other tools call them the same.

The rules are those of https://openlineage.io/docs/spec/naming. It has none for DuckDB and SQLite: they are named as the
integration for dbt names DuckDB. No name holds credentials or a query string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import sqlalchemy as sa

_OBJECT_STORES = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
_AZURE = {"abfs": "abfss", "abfss": "abfss", "az": "abfss", "adl": "abfss", "wasb": "wasbs", "wasbs": "wasbs"}
_LOCAL = ("file", "local")
_WILDCARD = re.compile(r"[*?\[{]")

_SERVERS = {
    "postgresql": ("postgres", 5432, "public"),
    "mysql": ("mysql", 3306, None),
    "mariadb": ("mysql", 3306, None),
    "mssql": ("mssql", 1433, "dbo"),
    "oracle": ("oracle", 1521, None),
}
"""SQLAlchemy's backend to OpenLineage's scheme, the usual port and the usual schema."""
_FILES = {"duckdb": "main", "sqlite": "main"}
"""Backends whose database is a file, to the usual schema."""
_DATABASES = {*_FILES, *(scheme for scheme, _, _ in _SERVERS.values())}
_SEARCH_PATH = re.compile(r"search_path\s*=\s*([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Dataset:
    """What OpenLineage calls a dataset: a table, a folder of files, a resource of a service."""

    namespace: str
    """Where it is: `file`, `s3://bucket`, `postgres://host:5432`, `https://acme.zendesk.com`."""
    name: str
    """Unique there: a path, or database, schema and table."""

    @property
    def is_table(self) -> bool:
        """Whether it is a table of a database, by its namespace."""
        return self.namespace.partition("://")[0] in _DATABASES


def of_files(place: str, options: Mapping[str, object] | None = None) -> Dataset:
    """A file or a folder: an absolute path or an fsspec URL. `options`: those of its storage, of which Azure's say the
    account that the URL may lack."""
    url = place.rpartition("::")[2]  # of a chain, the storage at its end
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return Dataset("file", url)
    authority, _, path = rest.partition("?")[0].partition("/")
    if scheme in _LOCAL:
        return Dataset("file", f"/{path.lstrip('/')}")
    if scheme in _AZURE:
        container, _, service = authority.partition("@")
        account = (options or {}).get("account_name")
        service = service or (
            f"{account}.dfs.core.windows.net" if isinstance(account, str) and account else ""
        )
        return Dataset(f"{_AZURE[scheme]}://{container}{service and '@'}{service}", path or "/")
    host = authority.rpartition("@")[2]
    if scheme in _OBJECT_STORES:
        return Dataset(f"{_OBJECT_STORES[scheme]}://{host}", path or "/")
    return Dataset(f"{scheme}://{host}", f"/{path}")


def folder_of(pattern: str) -> str:
    """A path or URL; where it has a wildcard or a place such as `{date}`, the folder above the first of them."""
    start = pattern.find("://") + 3 if "://" in pattern else 0
    found = _WILDCARD.search(pattern, start)
    if found is None:
        return pattern
    above = pattern[: found.start()].rpartition("/")[0]
    return above if len(above) > start else pattern[:start] or "/"


def of_service(url: str, path: str) -> Dataset:
    """A resource of a service, `path` below the base URL."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    whole = f"{parts.path.rstrip('/')}/{path.partition('?')[0].lstrip('/')}"
    return Dataset(f"{parts.scheme}://{(parts.hostname or '').lower()}{port}", whole)


def of_table(url: sa.URL, table: str, schema: str | None = None) -> Dataset:
    """A table of a database. The path of a database file is absolute in the URL."""
    backend, database = url.get_backend_name(), url.database or ""
    if backend in _FILES:
        name = f"{schema or _FILES[backend]}.{table}"
        return Dataset(
            f"{backend}://{database}", f"{PurePath(database).stem}.{name}" if backend == "duckdb" else name
        )
    scheme, port, usual = _SERVERS.get(backend, (backend, None, None))
    host = url.host or _text(url.query.get("host")) or "localhost"
    host = "localhost" if host.startswith("/") else host  # the folder of a socket
    place = host if (at := url.port or _text(url.query.get("port")) or port) is None else f"{host}:{at}"
    chosen = _SEARCH_PATH.search(_text(url.query.get("options")))
    schema = schema or (chosen[1] if chosen else usual)
    parts = (database, schema or "", table)
    return Dataset(f"{scheme}://{place}", ".".join(filter(None, parts)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
