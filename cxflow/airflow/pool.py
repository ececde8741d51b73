"""The one-slot pool that serialises the tasks that use a DuckDB warehouse.

A process that has a DuckDB file open for writing locks all others out. `python -m cxflow.airflow.pool` creates the pool
in the Airflow of the environment, and first its metadata database if there is none.
"""

from __future__ import annotations

from cxflow.settings import Settings
from cxflow.warehouse import engines

NAME = "cxflow_duckdb"
DESCRIPTION = "One task at a time opens the DuckDB warehouse"


def needed(settings: Settings) -> str | None:
    """The pool of tasks that keep the warehouse open, or None if the database accepts many at a time. A URL that is a
    secret is not read: it is a server's."""
    url = settings.warehouse.url
    return NAME if isinstance(url, str) and engines.of_url(url).single_writer else None


def ensure_pool() -> None:
    """Create the pool, or reset it to one slot. Needs a migrated metadata database.

    Same as `airflow pools set cxflow_duckdb 1 "…"`.
    """
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(NAME, slots=1, description=DESCRIPTION, include_deferred=False)


def ensure_database() -> None:
    """Create or migrate Airflow's metadata database."""
    from airflow.utils import db

    db.initdb()


if __name__ == "__main__":
    ensure_database()
    ensure_pool()
