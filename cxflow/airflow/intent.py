"""Decides the mode and the window of a DAG run. Pure functions, which can be read and tested as a table.

| run | params start, end | mode | window |
|---|---|---|---|
| scheduled | – | scheduled | from each stream's cursor to the data interval's end |
| backfill | – | backfill | the data interval exactly; cursors stay where they are |
| manual | neither | scheduled | from each stream's cursor to the run's logical date, or else its start |
| manual | both | backfill | exactly these |
| manual | only start | backfill | from there to the run's logical date, or else its start |
| manual | only end | backfill | from the source's beginning to there |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from cxflow.errors import ConfigError

RunMode = Literal["scheduled", "backfill"]

_BY_SCHEDULE = ("scheduled", "backfill")
_MANUAL = ("manual", "operator_triggered", "asset_triggered", "asset_materialization")


class Intent(NamedTuple):
    """What a DAG run reads."""

    mode: RunMode
    """scheduled moves the cursors, backfill leaves them alone."""
    start: datetime | None
    """First instant of a backfill's window; None: the source's beginning. None for a scheduled run: the window of each
    stream starts at its cursor."""
    end: datetime
    """First instant after the window."""


def intent(
    run_type: str,
    data_interval_start: datetime | None,
    data_interval_end: datetime | None,
    params: Mapping[str, object],
    now: datetime,
) -> Intent:
    """Decide what a run reads.

    `run_type` is Airflow's: scheduled, backfill, manual, … `params` may hold `start` and `end`, ISO 8601 with an
    offset. `now` is the instant of a manual run: its logical date, or else its start; never the clock, because a
    retried task must see the same window.

    Raises ConfigError for an instant without offset or an empty window, and for params on a run that already has a
    window from the schedule.
    """
    start, end = _instant(params, "start"), _instant(params, "end")
    if run_type in _BY_SCHEDULE:
        if start or end:
            raise ConfigError(
                f"a {run_type} run has its window from the schedule and does not accept the params start and end",
                value="start" if start else "end",
                fix="trigger the DAG manually for another window",
            )
        if data_interval_start is None or data_interval_end is None:
            raise ConfigError(f"a {run_type} run without a data interval", fix="schedule the DAG with a cron")
        if run_type == "backfill":
            return Intent("backfill", data_interval_start, data_interval_end)
        return Intent("scheduled", None, data_interval_end)
    if run_type not in _MANUAL:
        # If a scheduled run were treated as a manual one, its window would end a day early.
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
