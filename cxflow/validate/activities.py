"""Finds touchpoints with activities that no KPI knows. Called by `gate`.

Other activities than the known ones are allowed, but a support call under another name is in no contact rate.
"""

from __future__ import annotations

import duckdb

from cxflow.duck import literals
from cxflow.model.activities import ACTIVITIES, ACTIVITY_NAME
from cxflow.model.stream import Stream
from cxflow.warehouse import tables

_MOST = 10
"""Activities that are named."""


def unknown(database: duckdb.DuckDBPyConnection, stream: Stream) -> dict[str, int]:
    """Unknown activity to its touchpoints in a conformed batch, the most frequent ones first. Only those that are named
    as an activity is (`verb_noun`): anything else is refused, and may be personal."""
    if tables.touchpoint.name not in stream.to:
        return {}
    rows = database.execute(
        f"SELECT activity, count(*) FROM touchpoint WHERE regexp_full_match(activity, '{ACTIVITY_NAME}') "
        f"AND activity NOT IN (SELECT unnest({literals(tuple(ACTIVITIES))})) GROUP BY 1 ORDER BY 2 DESC, 1 "
        f"LIMIT {_MOST}"
    ).fetchall()
    return {str(activity): int(touchpoints) for activity, touchpoints in rows}
