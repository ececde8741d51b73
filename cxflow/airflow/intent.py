"""What a DAG run means: which mode, and which window. Pure, so that it can be read and tested as a table.

| run | params start, end | mode | window |
|---|---|---|---|
| scheduled | – | scheduled | from each stream's cursor to the data interval's end |
| backfill | – | backfill | the data interval exactly; cursors stay where they are |
| by hand | neither | scheduled | from each stream's cursor to its logical date, or else its start |
| by hand | both | backfill | exactly these |
| by hand | only start | backfill | from there to its logical date, or else its start |
| by hand | only end | backfill | from the source's beginning to there |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from cxflow.errors import ConfigError

RunMode = Literal["scheduled", "backfill"]

_BY_SCHEDULE = ("scheduled", "backfill")
_BY_HAND = ("manual", "operator_triggered", "asset_triggered", "asset_materialization")


class Intent(NamedTuple):
    """What one DAG run is to read."""

    mode: RunMode
    """scheduled moves the cursors, backfill leaves them alone."""
    start: datetime | None
    """Of a backfill: its window's first instant, None for the source's beginning. A scheduled run has None:
    each stream's cursor says where its window starts."""
    end: datetime
    """First instant after the window."""


def intent(
    run_type: str,
    data_interval_start: datetime | None,
    data_interval_end: datetime | None,
    params: Mapping[str, object],
    now: datetime,
) -> Intent:
    """Decide what a run means.

    `run_type` is Airflow's: scheduled, backfill, manual, … `params` may hold `start` and `end`, ISO 8601 with
    an offset. `now` is the instant for which a run by hand stands: its logical date, or else its start; never
    the clock, because a task that is tried again must see the same window.

    Raises ConfigError for an instant without offset or an empty window, and for params on a run that has a
    window of its own already.
    """
    start, end = _instant(params, "start"), _instant(params, "end")
    if run_type in _BY_SCHEDULE:
        if start or end:
            raise ConfigError(
                f"a {run_type} run has its window from the schedule; it cannot take the params start and end",
                value="start" if start else "end",
                fix="trigger the DAG by hand for a window of your own",
            )
        if data_interval_start is None or data_interval_end is None:
            raise ConfigError(f"a {run_type} run without a data interval", fix="schedule the DAG with a cron")
        if run_type == "backfill":
            return Intent("backfill", data_interval_start, data_interval_end)
        return Intent("scheduled", None, data_interval_end)
    if run_type not in _BY_HAND:
        # Taken for a run by hand, a scheduled one would end a day early.
        raise ConfigError(f"cxflow does not know runs of the type {run_type!r}", value=run_type)
    if start or end:
        end = end or now
        if start and start >= end:
            raise ConfigError(
                f"the window [{start.isoformat()}, {end.isoformat()}) is empty",
                value="start",
                fix="start must be before end",
            )
        return Intent("backfill", start, end)
    return Intent("scheduled", None, now)


def _instant(params: Mapping[str, object], name: str) -> datetime | None:
    value = params.get(name)
    if value in (None, ""):
        return None
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(f"{name} is not an ISO 8601 instant: {value!r}", value=name) from None
    if instant.tzinfo is None:
        raise ConfigError(
            f"{name} has no offset: {value!r}",
            value=name,
            fix="end it with Z or with an offset such as +02:00",
        )
    return instant
