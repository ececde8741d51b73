"""The pools that a project needs in Airflow.

One with a single slot serialises the tasks that use a DuckDB warehouse: a process that has the file open for writing
locks all others out. Others limit how many streams of one account are extracted at a time: they share the account's
budget, and one that waits for it holds a worker.

`python -m cxflow.airflow.pool [PROJECT]` creates them in the Airflow of the environment, and first its metadata
database if there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cxflow import settings as configuration
from cxflow.errors import ConfigError
from cxflow.settings import Connection, Settings
from cxflow.warehouse import engines

NAME = "cxflow_duckdb"
DESCRIPTION = "One task at a time opens the DuckDB warehouse"
OF_ACCOUNT = "Streams that share an account's budget"
_SLOTS: int = Connection.model_fields["pool_slots"].default


def needed(settings: Settings) -> str | None:
    """The pool of tasks that keep the warehouse open, or None if the database accepts many at a time. A URL that is a
    secret is not read: it is a server's."""
    url = settings.warehouse.url
    return NAME if isinstance(url, str) and engines.of_url(url).single_writer else None


def of_account(settings: Settings, connection: str) -> str | None:
    """The pool in which a connection's streams are extracted; None: Airflow's default pool. Loads no plugin.

    Raises ConfigError if `pool` or `pool_slots` is not valid.
    """
    settings.require_variables(connection, "pool")
    table = settings.connections[connection]
    name, slots = table.get("pool"), table.get("pool_slots", _SLOTS)
    if name is None:
        return None
    if not isinstance(name, str) or not name:
        raise ConfigError("pool: it is not a text", connection=connection, value="pool")
    if not isinstance(slots, int) or isinstance(slots, bool) or slots < 1:
        raise ConfigError("pool_slots: it is not a number above 0", connection=connection, value="pool_slots")
    return name


def of_accounts(settings: Settings) -> dict[str, int]:
    """The pools of all connections, each with its slots. Raises ConfigError if two connections disagree on them."""
    found: dict[str, int] = {}
    for connection, table in settings.connections.items():
        name = of_account(settings, connection)
        if name is None:
            continue
        slots = table.get("pool_slots", _SLOTS)
        if name == NAME or found.setdefault(name, slots) != slots:
            raise ConfigError(
                f"the pool {name} has {1 if name == NAME else found[name]} slots for another purpose",
                connection=connection,
                value="pool",
                fix="connections that share a pool have the same pool_slots; or choose another name",
            )
    return found


def ensure_pools(settings: Settings) -> None:
    """Create the pools, or set their slots. Needs a migrated metadata database.

    Same as `airflow pools set NAME SLOTS "…"`. The pool of a DuckDB warehouse is always created.
    """
    from airflow.models.pool import Pool

    accounts = of_accounts(settings)
    Pool.create_or_update_pool(NAME, slots=1, description=DESCRIPTION, include_deferred=False)
    for name, slots in accounts.items():
        Pool.create_or_update_pool(name, slots=slots, description=OF_ACCOUNT, include_deferred=False)


def ensure_database() -> None:
    """Create or migrate Airflow's metadata database."""
    from airflow.utils import db

    db.initdb()


if __name__ == "__main__":
    ensure_database()
    ensure_pools(configuration.load(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
