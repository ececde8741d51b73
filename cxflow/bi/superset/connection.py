"""How Superset reaches the published views: a database URI that holds no password."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.bi.superset.identity import FORMAT, identifier
from cxflow.errors import ConfigError
from cxflow.publish import snapshot
from cxflow.settings import Settings
from cxflow.warehouse import transactions

_ASKED_FOR = "XXXXXXXXXX"
"""Superset's mask of a password: it asks for one at the first import, and keeps it at later ones."""
_KEPT = ("application_name", "host", "options", "port", "sslmode", "sslrootcert")
"""Parameters of a server's URL that are no secrets."""


def database(settings: Settings, uri: str | None) -> dict[str, Any]:
    """The bundle's database. `uri`: how Superset reaches it, if it differs from how cxflow does.

    Raises ConfigError for a URI with a password, for one that is none, and for a database file without a snapshot.
    """
    project = settings.project.name
    return {
        "database_name": f"cxflow {project}",
        "sqlalchemy_uri": _given(uri) if uri is not None else _own(settings),
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {"allows_virtual_table_explore": True},
        "uuid": identifier(project, "database"),
        "version": FORMAT,
    }


def _own(settings: Settings) -> str:
    engine, url = transactions.engine_of(settings), transactions.warehouse_url(settings)
    if not engine.single_writer:
        return _asking(url)
    if snapshot.path(settings) is None:
        raise ConfigError(
            "Superset would hold the warehouse's file, and make runs wait",
            value="warehouse.snapshot",
            fix="set warehouse.snapshot to true: BI tools read the snapshot",
        )
    file = engine.snapshot_url(url).set(drivername=url.get_backend_name(), query={"access_mode": "read_only"})
    return file.render_as_string()


def _given(uri: str) -> str:
    try:
        url = sa.make_url(uri)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            "--uri is not a database URI", value="--uri", fix="such as postgresql://ada@db.example.org/cx"
        ) from None
    if url.password is not None or any("pass" in name.lower() for name in url.query):
        raise ConfigError(
            "--uri holds a password",
            value="--uri",
            fix="leave it out: Superset asks for it at the first import",
        )
    return _asking(url) if url.host or url.username else url.render_as_string()


def _asking(url: sa.URL) -> str:
    """The URI of a server with the password masked, under SQLAlchemy's default driver."""
    query = {name: value for name, value in url.query.items() if name in _KEPT}
    masked = url.set(drivername=url.get_backend_name(), password=_ASKED_FOR, query=query)
    return masked.render_as_string(hide_password=False)
