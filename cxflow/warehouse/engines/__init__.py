"""The databases that can hold a warehouse: one module (or package) each, named after its SQLAlchemy backend.

Everything that differs by database is answered by an `Engine` (`base`). An engine's module holds it as `ENGINE` and is
imported when a URL or a connection first asks for it. No code outside this package asks which database it works on.

Airflow asks for capabilities while it parses DAG files, so no module here imports a database library at its top level.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING

from cxflow.errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cxflow.warehouse.engines.base import Engine


def names() -> list[str]:
    """The backends a warehouse URL may name, in order."""
    return sorted(each.name for each in pkgutil.iter_modules(__path__) if each.name != "base")


@functools.cache
def named(backend: str) -> Engine:
    """The engine of a SQLAlchemy backend. Raises ConfigError for one that cannot hold a warehouse."""
    known = names()
    if backend not in known:
        raise ConfigError(
            f"a warehouse cannot be {backend!r}", value="warehouse.url", fix=f"it can be {', '.join(known)}"
        )
    engine: Engine = importlib.import_module(f"{__name__}.{backend}").ENGINE
    return engine


def of_url(url: str) -> Engine:
    """The engine of a SQLAlchemy URL, by the scheme alone. Raises ConfigError, without quoting the URL."""
    return named(url.partition(":")[0].partition("+")[0])


def scheme(kind: str) -> str:
    """The scheme of a SQLAlchemy URL for what others, such as Airflow, call a kind of database."""
    return "postgresql" if kind == "postgres" else kind


def of(connection: sa.Connection) -> Engine:
    """The engine behind an open connection to the warehouse."""
    return named(connection.dialect.name)
