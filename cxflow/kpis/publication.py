"""The books of the KPIs: definitions, values as they were published, and what is new among computed ones.

A value is never changed: a different one is published beside it under a later `as_of`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select

from cxflow.kpis.cells import KEY
from cxflow.kpis.facts import Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Periods
from cxflow.settings import Settings
from cxflow.store.tables import kpi_definition, kpi_value

Row = dict[str, Any]
Key = tuple[Any, ...]

_FLOATS = ("numerator", "denominator", "value", "ci_low", "ci_high")


def latest(*conditions: Any) -> Rows:
    """Of each cell, the value published last among those that meet the conditions on `kpi_value`."""
    t = kpi_value.c
    cell = (t.kpi, t.version, *(t[name] for name in KEY))
    newest_first = func.row_number().over(partition_by=cell, order_by=t.as_of.desc()).label("newest")
    ranked = select(kpi_value, newest_first).where(*conditions).subquery()
    columns = [ranked.c[column.name] for column in kpi_value.columns]
    return select(*columns).where(ranked.c.newest == 1)


def published(connection: Connection, kpi: Kpi, periods: Periods) -> dict[Key, Row]:
    """The current values of a KPI in these periods, by KEY."""
    t = kpi_value.c
    wanted = []
    for grain in kpi.grains:
        edges = periods.between(grain)
        wanted.append(and_(t.grain == grain, t.period_start.between(*edges)) if edges else t.grain == grain)
    rows = connection.execute(latest(t.kpi == kpi.name, t.version == kpi.version, or_(*wanted))).mappings()
    return {
        tuple(row[name] for name in KEY): dict(row)
        for row in rows
        if (row["grain"], row["period_start"]) in periods
    }


def news(computed: Mapping[Key, Row], current: Mapping[Key, Row]) -> tuple[list[Row], int]:
    """The computed values that differ from the current ones, and how many of them say that a slice is gone.

    A slice with current values but no computed one has no events any more: it gets n = 0 and no value.
    """
    changed = [row for key, row in computed.items() if key not in current or _differ(row, current[key])]
    gone = [_empty(row) for key, row in current.items() if key not in computed and row["n"] > 0]
    return changed + gone, len(gone)


def insert_values(connection: Connection, rows: Sequence[Row]) -> None:
    """Adds published values, in one statement."""
    if rows:
        connection.execute(insert(kpi_value), rows)


def after_the_last(connection: Connection, as_of: datetime) -> datetime:
    """`as_of` or, where values of that moment or a later one are published, the first moment after those.

    Of two computations, the one that had to wait for the other has the newer data, whatever its clock said.
    """
    last = connection.scalar(select(func.max(kpi_value.c.as_of)))
    return as_of if last is None or last < as_of else last + timedelta(microseconds=1)


def define(connection: Connection, kpis: Iterable[Kpi], settings: Settings) -> set[str]:
    """Writes the definitions down; returns the names of KPIs (or versions of them) not known before."""
    t = kpi_definition.c
    known = {
        (row["kpi"], row["version"]): dict(row)
        for row in connection.execute(select(kpi_definition)).mappings()
    }
    new = set()
    for kpi in kpis:
        row = {
            "kpi": kpi.name,
            "version": kpi.version,
            "title": kpi.title,
            "unit": kpi.unit,
            "better": kpi.better,
            "lowest": kpi.lowest,
            "highest": kpi.highest,
            "formula": kpi.formula,
            "interval_method": kpi.estimator(settings).method,
        }
        before = known.get((kpi.name, kpi.version))
        if before is None:
            new.add(kpi.name)
        elif before != row:
            connection.execute(delete(kpi_definition).where(t.kpi == kpi.name, t.version == kpi.version))
        if before != row:
            connection.execute(insert(kpi_definition), row)
    return new


def _differ(one: Row, other: Row) -> bool:
    if one["n"] != other["n"] or one["is_suppressed"] != other["is_suppressed"]:
        return True
    return any(not _close(one[name], other[name]) for name in _FLOATS)


def _close(one: float | None, other: float | None) -> bool:
    """Equal but for the order in which a database adds."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _empty(row: Row) -> Row:
    return {**row, **dict.fromkeys(_FLOATS), "n": 0, "is_suppressed": True}
