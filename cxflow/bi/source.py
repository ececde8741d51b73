"""What a BI tool opens: the database's URL without a password, and the columns of the published views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cxflow.errors import ConfigError, SchemaError
from cxflow.publish import snapshot
from cxflow.settings import Settings
from cxflow.warehouse import revisions, transactions


@dataclass(frozen=True, slots=True)
class Source:
    """A warehouse, or its snapshot, as a BI tool sees it."""

    url: sa.URL
    """Without a driver's name and without a password."""
    is_file: bool
    """Whether it is the snapshot: a file that is opened read-only, and that asks for no password."""
    columns: dict[str, dict[str, str]]
    """View to each column and its type."""


def read(settings: Settings, views: Sequence[str], user: str | None = None) -> Source:
    """The source of a project. `user`: who opens a server's database; default: the warehouse's own user.

    Raises SchemaError if the views are not published, and ConfigError for a database file without a snapshot.
    """
    url, is_file = _url(settings, user)
    with transactions.reading(settings) as connection:
        revisions.require(connection)
        found = sa.inspect(connection)
        if missing := sorted(set(views) - set(found.get_view_names())):
            raise SchemaError(f"the view {missing[0]} is not published", fix="`cxflow publish` publishes it")
        columns = {
            view: {
                each["name"]: str(each["type"].compile(connection.dialect))
                for each in found.get_columns(view)
            }
            for view in views
        }
    return Source(url, is_file, columns)


def _url(settings: Settings, user: str | None) -> tuple[sa.URL, bool]:
    url, engine = transactions.warehouse_url(settings), transactions.engine_of(settings)
    if not engine.single_writer:
        return url.set(drivername=url.get_backend_name(), username=user or url.username, password=None), False
    if user is not None:
        raise ConfigError(f"{engine.title} has no users", value="--user", fix="leave it out")
    if snapshot.path(settings) is None:
        raise ConfigError(
            "a BI tool on the warehouse's own file would stop every run",
            value="warehouse.snapshot",
            fix="set warehouse.snapshot to true",
        )
    return engine.snapshot_url(url).set(query={"access_mode": "read_only"}), True
