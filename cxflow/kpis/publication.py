"""The books of the KPIs: definitions, values as they were published, and what is new among computed ones.

A value is never changed: a different one is published beside it under a later `as_of`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, or_, select

from cxflow.kpis.cells import KEY
from cxflow.kpis.facts import Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Grain, Periods
from cxflow.settings import Settings
from cxflow.store.tables import kpi_definition, kpi_value

Key = tuple[Any, ...]
"""What names a cell of a KPI: the values of KEY."""


class Figures(NamedTuple):
    """What is published of a cell; the fields are columns of `kpi_value`."""

    numerator: float | None
    denominator: float | None
    n: int
    value: float | None
    ci_low: float | None
    ci_high: float | None
    is_suppressed: bool
    squared_deviation: float | None


NOTHING = Figures(None, None, 0, None, None, None, True, None)
"""Published where there were events once and are none now."""


def latest(*conditions: Any) -> Rows:
    """Of each cell, the value published last among those that meet the conditions on `kpi_value`."""
    t = kpi_value.c
    cell = (t.kpi, t.version, *(t[name] for name in KEY))
    newest_first = func.row_number().over(partition_by=cell, order_by=t.as_of.desc()).label("newest")
    ranked = select(kpi_value, newest_first).where(*conditions).subquery()
    columns = [ranked.c[column.name] for column in kpi_value.columns]
    return select(*columns).where(ranked.c.newest == 1)


def published(
    connection: Connection, kpi: Kpi, grains: Sequence[Grain], periods: Periods
) -> dict[Key, Figures]:
    """The current figures of a KPI in these periods, of these grains."""
    t = kpi_value.c
    wanted = []
    for grain in grains:
        edges = periods.between(grain)
        wanted.append(and_(t.grain == grain, t.period_start.between(*edges)) if edges else t.grain == grain)
    current = latest(t.kpi == kpi.name, t.version == kpi.version, or_(*wanted)).subquery()
    rows = connection.execute(select(*(current.c[name] for name in (*KEY, *Figures._fields)))).all()
    size = len(KEY)
    return {tuple(row[:size]): Figures(*row[size:]) for row in rows if (row[0], row[1]) in periods}


def versions(connection: Connection) -> set[tuple[str, int]]:
    """The KPIs of which any value was ever published, with the version."""
    t = kpi_value.c
    return {(row.kpi, row.version) for row in connection.execute(select(t.kpi, t.version).distinct())}


def news(computed: Mapping[Key, Figures], current: Mapping[Key, Figures]) -> dict[Key, Figures]:
    """What differs from the current figures, cells that have no events any more among it (as NOTHING)."""
    changed = {
        key: figures
        for key, figures in computed.items()
        if key not in current or _differ(figures, current[key])
    }
    gone = {key: NOTHING for key, figures in current.items() if key not in computed and figures != NOTHING}
    return changed | gone


def rows_of(kpi: Kpi, figures: Mapping[Key, Figures], as_of: datetime) -> list[dict[str, Any]]:
    """Rows of `kpi_value`."""
    columns = (*KEY, *Figures._fields)
    whose = {"kpi": kpi.name, "version": kpi.version, "as_of": as_of}
    return [whose | dict(zip(columns, (*key, *cell), strict=True)) for key, cell in figures.items()]


def insert_values(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
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
    """Writes the definitions down; returns the names of KPIs whose values may be other ones in every period: new ones,
    new versions, and those computed with other settings."""
    t = kpi_definition.c
    known = {
        (row["kpi"], row["version"]): dict(row)
        for row in connection.execute(select(kpi_definition)).mappings()
    }
    used = _used(settings)
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
            "settings": used,
        }
        before = known.get((kpi.name, kpi.version))
        if before is None or before["settings"] != used:
            new.add(kpi.name)
        if before is not None and before != row:
            connection.execute(delete(kpi_definition).where(t.kpi == kpi.name, t.version == kpi.version))
        if before != row:
            connection.execute(insert(kpi_definition), row)
    return new


def _used(settings: Settings) -> str:
    """The settings that values depend on, as JSON."""
    project = {"timezone": settings.project.timezone, "currency": settings.project.currency}
    return json.dumps({**project, "kpis": settings.kpis.model_dump(mode="json")}, sort_keys=True)


def _differ(one: Figures, other: Figures) -> bool:
    return one != other and not all(map(_close, one, other))


def _close(one: float | None, other: float | None) -> bool:
    """Equal but for the order in which a database adds."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
