"""Recomputes what loads have changed and publishes what came out different, in the flow's transaction.

The database aggregates, one statement per KPI (two where the grain `all`, which needs all events, goes with
others, which do not); Python only turns components into values and intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, delete

from cxflow.kpis.affected import affected
from cxflow.kpis.cells import KEY, Cut
from cxflow.kpis.estimators import Estimate, Estimator
from cxflow.kpis.intervals import Array
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import EVERY_PERIOD, Grain, Periods
from cxflow.kpis.publication import (
    Figures,
    Key,
    after_the_last,
    define,
    insert_values,
    is_published,
    news,
    published,
    rows_of,
)
from cxflow.settings import Settings
from cxflow.store.tables import pending_kpi


@dataclass(frozen=True, slots=True)
class KpiReport:
    """What a computation did."""

    as_of: datetime
    """Under which moment it published."""
    kpis: tuple[str, ...]
    """The KPIs of which anything was recomputed."""
    computed: int
    """Cells (KPI, period, slice) recomputed."""
    published: int
    """Values that were new or different."""
    emptied: int
    """Of those published, slices that have no events any more."""
    unchanged: int
    """Cells that came out as they were: not published again."""
    suppressed: int
    """Of those computed, cells under the minimum n."""


def compute(
    connection: Connection,
    settings: Settings,
    kpis: Mapping[str, Kpi],
    as_of: datetime,
    everything: bool = False,
) -> KpiReport:
    """Recompute the periods touched since the last time, and publish the values that are new or different.

    Works in the caller's transaction and commits nothing. A KPI, or a version of one, that is new to the
    warehouse is computed for all periods. `everything` recomputes all periods of all KPIs: for when the
    settings that values depend on (time zone, minimum n, thresholds, rates) change, which touches no day.

    Raises ConfigError, before anything is written, where the settings do not fit the data.
    """
    for kpi in kpis.values():
        if kpi.check is not None:
            kpi.check(connection, settings)
    # Taken first: days that another load adds from here on stay for the next computation.
    touched = _take_pending(connection)
    as_of = after_the_last(connection, as_of)
    new = define(connection, kpis.values(), settings)
    zone = ZoneInfo(settings.project.timezone)

    rows: list[dict[str, Any]] = []
    recomputed, cells, suppressed, emptied = [], 0, 0, 0
    for name, kpi in kpis.items():
        if kpi.needs is not None and connection.execute(kpi.needs.limit(1)).first() is None:
            continue
        estimator = kpi.estimator(settings)
        all_of_it = everything or name in new or (kpi.needs is not None and not is_published(connection, kpi))
        periods = EVERY_PERIOD if all_of_it else affected(connection, estimator, touched, zone)
        if not periods:
            continue
        computed = _computed(connection, settings, kpi, estimator, periods)
        changed = news(computed, published(connection, kpi, periods))
        rows += rows_of(kpi, changed, as_of)
        recomputed.append(name)
        cells += len(computed)
        suppressed += sum(figures.is_suppressed for figures in computed.values())
        emptied += sum(key not in computed for key in changed)
    insert_values(connection, rows)
    return KpiReport(
        as_of=as_of,
        kpis=tuple(recomputed),
        computed=cells,
        published=len(rows),
        emptied=emptied,
        unchanged=cells - (len(rows) - emptied),
        suppressed=suppressed,
    )


def _take_pending(connection: Connection) -> dict[str, set[date | None]]:
    touched: dict[str, set[date | None]] = {}
    for table, day in connection.execute(
        delete(pending_kpi).returning(pending_kpi.c.table_name, pending_kpi.c.day)
    ):
        touched.setdefault(table, set()).add(day)
    return touched


def _computed(
    connection: Connection, settings: Settings, kpi: Kpi, estimator: Estimator, periods: Periods
) -> dict[Key, Figures]:
    """The figures of a KPI in these periods."""
    zone = settings.project.timezone
    cells: list[Any] = []
    names: tuple[str, ...] = ()
    for grains in _queries(kpi.grains, periods):
        spans = periods.spans(grains, ZoneInfo(zone), estimator.looks_back)
        result = connection.execute(estimator.cells(Cut(grains, kpi.dimensions, zone, spans)))
        names = tuple(result.keys())
        cells += (cell for cell in result.all() if (cell[0], cell[1]) in periods)
    if not cells:
        return {}
    columns = dict(zip(names, zip(*cells, strict=True), strict=True))
    keys = zip(*(columns.pop(name) for name in KEY), strict=True)
    estimate = estimator.estimate({name: np.array(found, dtype=float) for name, found in columns.items()})
    return dict(zip(keys, _figures(kpi, estimate, settings.kpis.min_n), strict=True))


def _queries(grains: tuple[Grain, ...], periods: Periods) -> tuple[tuple[Grain, ...], ...]:
    """Which grains one statement computes: `all` needs all events, the others only those of their periods."""
    if periods == EVERY_PERIOD:
        return (grains,)
    dated = tuple(grain for grain in grains if grain != "all")
    return tuple(group for group in (dated, ("all",) if "all" in grains else ()) if group)


def _figures(kpi: Kpi, estimate: Estimate, min_n: int) -> Iterator[Figures]:
    """What to publish: under the minimum n the components stay, value and interval go."""
    is_suppressed = estimate.n < min_n

    def shown(numbers: Array) -> list[float | None]:
        return _nullable(np.where(is_suppressed, np.nan, numbers))

    return map(
        Figures,
        _nullable(estimate.numerator),
        _nullable(estimate.denominator),
        estimate.n.astype(int).tolist(),
        shown(estimate.value),
        shown(np.clip(estimate.low, kpi.lowest, kpi.highest)),
        shown(np.clip(estimate.high, kpi.lowest, kpi.highest)),
        is_suppressed.tolist(),
    )


def _nullable(numbers: Array) -> list[float | None]:
    return [None if number != number else number for number in numbers.tolist()]
