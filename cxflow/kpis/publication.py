"""Reads and writes KPI definitions and published values, and finds the computed values that changed.

A published value is never changed: a different one is published next to it under a later `as_of`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Date,
    Integer,
    String,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from cxflow.kpis.cells import KEY
from cxflow.kpis.cells_of_days import Sliced, of_kpis
from cxflow.kpis.facts import Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Grain, Periods
from cxflow.kpis.slices import Slices, of_slices
from cxflow.settings import Settings
from cxflow.warehouse.functions import hashed
from cxflow.warehouse.tables import TIME, kpi_definition, kpi_value

COMPLETE, OPEN_AGAIN = "its period is complete now", "its period is not complete any more"
"""Why a value is published again that is as it was."""
_AT_A_TIME = 20_000
_LENGTHS = {"day": "1 day", "week": "7 days", "month": "1 month", "quarter": "3 months", "year": "1 year"}

Key = tuple[Any, ...]
"""Identifies a cell of a KPI: the values of KEY."""


class CellValue(NamedTuple):
    """The published value of a cell, without its key; the fields are columns of `kpi_value`."""

    numerator: float | None
    denominator: float | None
    n: int
    value: float | None
    ci_low: float | None
    ci_high: float | None
    is_suppressed: bool
    squared_deviation: float | None
    cubed_deviation: float | None
    interval_note: str | None
    left_out: int | None
    customers: int | None
    effective_n: float | None


class Previous(NamedTuple):
    """What the warehouse knew about a KPI before a computation."""

    is_new: bool
    """Values of every period may change: a new KPI or version, or a different interval, settings, grains or
    dimensions."""
    slices: Slices
    """The slices of the last computation."""
    settings: str | None
    """The settings of the last computation, as JSON; None: a new KPI or version."""
    settings_now: str
    """Those of this one."""


NOTHING = CellValue(None, None, 0, None, None, None, True, None, None, None, 0, 0, None)
"""Published for a cell that no longer has events."""


def latest(*conditions: Any) -> Rows:
    """For each cell, the latest published value among those that meet the conditions on `kpi_value`."""
    t = kpi_value.c
    cell = (t.kpi, t.version, *(t[name] for name in KEY))
    newest_first = func.row_number().over(partition_by=cell, order_by=t.as_of.desc()).label("newest")
    ranked = select(kpi_value, newest_first).where(*conditions).subquery()
    columns = [ranked.c[column.name] for column in kpi_value.columns]
    return select(*columns).where(ranked.c.newest == 1)


def published(
    connection: Connection,
    kpis: Collection[Kpi],
    grains: Sequence[Grain],
    periods: Periods,
    only: Mapping[str, Set[str]] | None = None,
) -> dict[str, dict[Key, CellValue]]:
    """KPI to its current values in these periods. `only` restricts them to some slices of some dimensions."""
    t = kpi_value.c
    conditions = [of_kpis(kpi_value, kpis)]
    if periods.starts is not None:
        conditions.append(or_(*(_of_grain(grain, periods) for grain in grains)))
    if only is not None:
        conditions.append(of_slices(t.dimension, t.dimension_value, only))
    current = latest(*conditions).subquery()
    names = ("kpi", *KEY, *CellValue._fields)
    size = 1 + len(KEY)
    found: dict[str, dict[Key, CellValue]] = {kpi.name: {} for kpi in kpis}
    for row in connection.execute(select(*(current.c[name] for name in names))).all():
        if (row[1], row[2]) in periods:
            found[row[0]][tuple(row[1:size])] = CellValue(*row[size:])
    return found


def _of_grain(grain: Grain, periods: Periods) -> ColumnElement[bool]:
    t = kpi_value.c
    edges = periods.between(grain)
    return and_(t.grain == grain, t.period_start.between(*edges)) if edges else t.grain == grain


def versions(connection: Connection) -> set[tuple[str, int]]:
    """Name and version of every KPI that has published values."""
    t = kpi_value.c
    return {(row.kpi, row.version) for row in connection.execute(select(t.kpi, t.version).distinct())}


def with_events(connection: Connection, kpis: Collection[Kpi]) -> Set[str]:
    """Those of the KPIs of which any current value counts an event."""
    current = latest(of_kpis(kpi_value, kpis)).subquery()
    return set(connection.scalars(select(current.c.kpi).where(current.c.n > 0).distinct()))


def changed_values(
    computed: Mapping[Key, CellValue], current: Mapping[Key, CellValue]
) -> dict[Key, CellValue]:
    """The computed values that differ from the current ones, and NOTHING for cells that no longer have events."""
    changed = {
        key: value for key, value in computed.items() if key not in current or _differ(value, current[key])
    }
    gone = {key: NOTHING for key, value in current.items() if key not in computed and value != NOTHING}
    return changed | gone


class Changed(NamedTuple):
    """The values of a KPI that are to be published."""

    kpi: Kpi
    values: Mapping[Key, CellValue]
    complete_before: date
    """Periods that end by this day are complete."""
    why: Mapping[Key, str]
    """Of those that replace an earlier value, the reason."""


def insert_values(connection: Connection, several: Iterable[Changed], as_of: datetime) -> None:
    """Publish values, passed as one array per column: DuckDB needs ten times as long for a statement with a literal per
    value."""
    names = ("kpi", "version", *KEY, *CellValue._fields, "restated_because")
    types = (*(kpi_value.c[name].type for name in names), Date())
    rows = [
        (each.kpi.name, each.kpi.version, *key, *cell, each.why.get(key), each.complete_before)
        for each in several
        for key, cell in each.values.items()
    ]
    for first in range(0, len(rows), _AT_A_TIME):
        columns = zip(*rows[first : first + _AT_A_TIME], strict=True)
        arrays = (
            func.unnest(literal(list(found), ARRAY(type_))).label(name)
            for name, type_, found in zip((*names, "complete_before"), types, columns, strict=True)
        )
        cell = select(*arrays).subquery().c
        is_complete = _end_of(cell.grain, cell.period_start) <= cell.complete_before
        query = select(literal(as_of, TIME), is_complete, *(cell[name] for name in names))
        connection.execute(insert(kpi_value).from_select(["as_of", "is_complete", *names], query))


def publish_again(
    connection: Connection, moved: Sequence[tuple[str, int, date, date]], as_of: datetime
) -> None:
    """Publish again the current values of periods that are complete now, or no longer.

    `moved` holds the name and version of KPIs, a day by whose end no period changes in this, and the day before which
    periods are complete.
    """
    types = (String, Integer, Date, Date)
    names = ("kpi", "version", "since", "complete_before")
    arrays = [
        func.unnest(literal(list(found), ARRAY(type_))).label(name)
        for name, type_, found in zip(names, types, zip(*moved, strict=True), strict=True)
    ]
    kpi = select(*arrays).cte("moved").c
    t = kpi_value.c
    end = _end_of(t.grain, t.period_start)
    concerns = select(kpi.kpi).where(kpi.kpi == t.kpi, kpi.version == t.version, end > kpi.since)
    current = latest(t.grain != "all", concerns.exists()).subquery()
    now = _end_of(current.c.grain, current.c.period_start) <= kpi.complete_before
    changed: dict[str, ColumnElement[Any]] = {
        "as_of": literal(as_of, TIME),
        "is_complete": now,
        "restated_because": case((now, COMPLETE), else_=OPEN_AGAIN),
    }
    into = [column.name for column in kpi_value.columns]
    query = select(*(changed.get(name, current.c[name]) for name in into)).where(
        kpi.kpi == current.c.kpi,
        kpi.version == current.c.version,
        current.c.is_complete.is_distinct_from(now),
        # Contacts of a day without an order are a numerator alone.
        or_(current.c.n > 0, current.c.left_out > 0, current.c.numerator != 0),
    )
    connection.execute(insert(kpi_value).from_select(into, query))


def _end_of(grain: ColumnElement[str], start: ColumnElement[date]) -> ColumnElement[Any]:
    """The first day after a period; null for the whole time, which has no end."""
    return case(
        *(
            (grain == name, cast(start + literal_column(f"INTERVAL '{length}'"), Date))
            for name, length in _LENGTHS.items()
        )
    )


def after_the_last(connection: Connection, as_of: datetime) -> datetime:
    """`as_of`, or the first moment after the last published values if that is later.

    Of two computations, the one that waited for the other has the newer data, even if its clock read an earlier time.
    """
    last = connection.scalar(select(func.max(kpi_value.c.as_of)))
    return as_of if last is None or last < as_of else last + timedelta(microseconds=1)


def define(
    connection: Connection,
    kpis: Mapping[str, Kpi],
    dimensions: Mapping[str, Sequence[str]],
    settings: Settings,
) -> dict[str, Previous]:
    """Write the KPI definitions. Returns what the warehouse knew about each KPI before.

    `dimensions` maps each KPI to the dimensions it is sliced by.
    """
    known = {
        (row["kpi"], row["version"]): dict(row)
        for row in connection.execute(select(kpi_definition)).mappings()
    }
    hash_ = connection.scalar(select(hashed(literal("customer"))))
    previous = {}
    changed = {}
    for name, kpi in kpis.items():
        used = _used(kpi, dimensions[name], settings, hash_)
        before = known.get((name, kpi.version))
        slices = before["slices"] if before is not None else None
        row = {
            "kpi": kpi.name,
            "version": kpi.version,
            "title": kpi.title,
            "title_es": kpi.title_es or kpi.title,
            "description": kpi.description or kpi.formula,
            "description_es": kpi.description_es or kpi.description or kpi.formula_es or kpi.formula,
            "unit": kpi.unit,
            "decimals": kpi.shown_decimals,
            "better": kpi.better,
            "lowest": kpi.lowest,
            "highest": kpi.highest,
            "formula": kpi.formula,
            "formula_es": kpi.formula_es or kpi.formula,
            "interval_method": kpi.estimator(settings).method,
            "settings": used,
            "slices": slices,
        }
        previous[name] = Previous(
            is_new=before is None
            or any(before[name] != row[name] for name in ("settings", "interval_method")),
            slices={dimension: tuple(names) for dimension, names in json.loads(slices or "{}").items()},
            settings=None if before is None else before["settings"],
            settings_now=used,
        )
        if before != row:
            changed[name] = row
    if changed:
        of_changed = of_kpis(kpi_definition, [kpis[name] for name in changed])
        connection.execute(delete(kpi_definition).where(of_changed))
        connection.execute(insert(kpi_definition).values(list(changed.values())))
    return previous


def slices_of(connection: Connection, kpi: Kpi) -> Slices:
    """A KPI's slices, as the last computation stored them."""
    t = kpi_definition.c
    text = connection.scalar(select(t.slices).where(t.kpi == kpi.name, t.version == kpi.version))
    return {dimension: tuple(names) for dimension, names in json.loads(text or "{}").items()}


def keep_slices(connection: Connection, several: Sliced) -> None:
    """Store the slices of KPIs with their definitions: the next computation compares them with its own."""
    if not several:
        return
    t = kpi_definition.c
    texts = [json.dumps(slices, sort_keys=True, ensure_ascii=False) for _, slices in several]
    text = case(
        *(
            ((t.kpi == kpi.name) & (t.version == kpi.version), found)
            for (kpi, _), found in zip(several, texts, strict=True)
        )
    )
    of_these = of_kpis(kpi_definition, [kpi for kpi, _ in several])
    connection.execute(update(kpi_definition).where(of_these).values(slices=text))


def _used(kpi: Kpi, dimensions: Sequence[str], settings: Settings, hash_: Any) -> str:
    """What a KPI's values depend on apart from its formula and the events, as JSON."""
    used: dict[str, object] = {
        "timezone": settings.project.timezone,
        "currency": settings.project.currency,
        # The dimensions of other KPIs do not affect this one.
        "kpis": settings.kpis.model_dump(
            mode="json", exclude={"dimensions", "dimensions_of", "max_left_out", "seeds"}
        ),
        "dimensions": sorted(dimensions),
        "grains": kpi.grains,
        # The customers of days are kept under it: another one makes strangers of them.
        "hash": hash_,
    }
    if kpi.depends_on is not None:
        used["more"] = kpi.depends_on(settings)
    return json.dumps(used, sort_keys=True)


def _differ(one: CellValue, other: CellValue) -> bool:
    if one == other:
        return False
    rest = (each._replace(cubed_deviation=None) for each in (one, other))
    cubed_alike = _close(one.cubed_deviation, other.cubed_deviation, _cubed_rounding(one))
    return not (cubed_alike and all(map(_close, *rest)))


def _cubed_rounding(value: CellValue) -> float:
    """What a sum of cubed deviations may be off by: in a symmetric measure they cancel out, but for this."""
    squares, mean = value.squared_deviation or 0, (value.numerator or 0) / max(value.n, 1)
    spread = math.sqrt(max(squares, 0))
    return 1e-9 * squares * spread + 1e-13 * mean**2 * math.sqrt(value.n) * spread


def _close(one: float | str | None, other: float | str | None, abs_tol: float = 1e-12) -> bool:
    """Whether two values are equal apart from the order in which a database adds."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=abs_tol)
    return one == other
