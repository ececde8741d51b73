"""From the cells of a KPI, as the database aggregates them, to the values to publish."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row

from cxflow.kpis.cells import KEY
from cxflow.kpis.cells_of_days import OF_KPI
from cxflow.kpis.estimators import Estimate, Estimator
from cxflow.kpis.intervals import Array
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.publication import CellValue, Key

Cells = Sequence[Row[*tuple[Any, ...]]]
"""Cells as the database returns them: the KEY, and the components; where they are of several KPIs, which one."""


def cell_values(kpi: Kpi, estimator: Estimator, rows: Cells, min_n: int) -> dict[Key, CellValue]:
    """The values of cells. Under the minimum n, only the components are kept, not value and interval."""
    if not rows:
        return {}
    columns = dict(zip(rows[0]._fields, zip(*rows, strict=True), strict=True))
    keys = zip(*(columns[name] for name in KEY), strict=True)
    estimate = estimator.estimate(
        {name: _component(found) for name, found in columns.items() if name not in OF_KPI}
    )
    return dict(zip(keys, _published(kpi, estimate, min_n), strict=True))


def _published(kpi: Kpi, estimate: Estimate, min_n: int) -> Iterator[CellValue]:
    clusters, effect = estimate.clusters, estimate.effect
    none = np.full_like(estimate.n, np.nan)
    is_suppressed = estimate.n < min_n
    if clusters is not None:
        is_suppressed |= clusters.customers < min_n
    customers = none if clusters is None else np.where(clusters.is_grouped > 0, np.nan, clusters.customers)

    def shown(numbers: Array) -> list[float | None]:
        return _nullable(np.where(is_suppressed, np.nan, numbers))

    notes = [None] * len(is_suppressed) if estimate.notes is None else estimate.notes.tolist()
    notes = [None if hidden else note for hidden, note in zip(is_suppressed, notes, strict=True)]
    return map(
        CellValue,
        _nullable(estimate.numerator),
        _nullable(estimate.denominator),
        estimate.n.astype(int).tolist(),
        shown(estimate.value),
        shown(np.clip(estimate.low, kpi.lowest, kpi.highest)),
        shown(np.clip(estimate.high, kpi.lowest, kpi.highest)),
        is_suppressed.tolist(),
        _nullable(estimate.squared_deviation),
        _nullable(estimate.cubed_deviation),
        notes,
        itertools.repeat(0),
        [None if number is None else round(number) for number in _nullable(customers)],
        _nullable(none if effect is None else estimate.n / effect),
    )


def _component(found: Sequence[Any]) -> Array:
    """A component of all cells: a number of each, or a list."""
    return np.array(found, dtype=object if isinstance(found[0], list) else float)


def _nullable(numbers: Array) -> list[float | None]:
    return [None if number != number else number for number in numbers.tolist()]
