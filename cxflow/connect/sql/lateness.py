"""How long after their times rows commit, where the database can tell. Called by `connector` for `cxflow doctor`.

PostgreSQL with `track_commit_timestamp = on` knows when each row's transaction committed. Compared with the time
cursor, that shows whether the look-back is long enough.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cxflow.connect.sql import selection
from cxflow.connect.sql.database import SourceDatabase
from cxflow.connect.sql.stream import SqlStream
from cxflow.errors import CxflowError

NEWEST_ROWS = 1_000
"""The rows that are compared: those with the latest times."""
TIMEOUT_SECONDS = 10.0
"""How long each statement may take; if there is no index on the cursor, sorting a large table may take longer."""


def remark(database: SourceDatabase, stream: SqlStream, zone: str | None) -> str | None:
    """What there is to say of the commits of a table's newest rows; None if the database does not know them.

    `zone` is that of times without one. Raises nothing: what cannot be measured is not worth an error.
    """
    if not (database.has_commit_times and stream.table and stream.cursor):
        return None
    try:
        found = _latest(database, stream, zone)
    except CxflowError:  # a view, a table of another server, a statement that took too long
        return None
    return None if found is None else _worded(stream, *found)


def _latest(database: SourceDatabase, stream: SqlStream, zone: str | None) -> tuple[int, timedelta] | None:
    """The number of rows whose commit is known, and the longest time from a row's own time to its commit."""
    if database.first(sa.select(sa.func.current_setting("track_commit_timestamp"))) != "on":
        return None
    at = _instant(stream, database.first(selection.sample(stream)), zone)
    if at is None:
        return None
    cursor = selection.cursor_column(stream)
    newest = (
        sa.select(at.label("at"), sa.literal_column("xmin").label("version"))
        .select_from(selection.relation(stream))
        .where(cursor.is_not(None), sa.func.isfinite(at))
        .order_by(cursor.desc())
        .limit(NEWEST_ROWS)
        .subquery()
    )
    committed = sa.func.pg_xact_commit_timestamp(newest.c.version)
    seconds = sa.func.max(sa.extract("epoch", committed - newest.c.at))
    answer: list[sa.ColumnElement[Any]] = [sa.func.count(committed), seconds]
    ((known, latest),) = database.rows(sa.select(*answer))
    return (known, timedelta(seconds=max(0, round(latest)))) if known else None


def _instant(stream: SqlStream, value: Any, zone: str | None) -> sa.ColumnElement[Any] | None:
    """The cursor as a time with a zone; None for a key, a day or text."""
    column = selection.cursor_column(stream)
    if stream.cursor_type in ("epoch", "epoch_ms"):
        unit = 1000.0 if stream.cursor_type == "epoch_ms" else 1.0
        return sa.func.to_timestamp(column / sa.literal(unit, sa.Double()))
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is not None:
        return column
    return None if zone is None else sa.func.timezone(zone, column)


def _worded(stream: SqlStream, rows: int, latest: timedelta) -> str:
    covered = stream.look_back + stream.lag
    newest = f"the newest {rows:,} rows" if rows > 1 else "the newest row"
    shown = f"{newest} of {stream.table} committed up to {latest} after {stream.cursor[0]!r}"
    if latest <= covered:
        return f"{shown}, within the look_back of {stream.look_back}"
    hours = math.ceil((latest - stream.lag) / timedelta(hours=1))
    return (
        f"{shown}, and the look_back is {stream.look_back}: a run in between would have lost rows; unless that was an "
        f'import, set look_back = "PT{hours}H"'
    )
