"""Reads published values, for the command line, the report and scripts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from cxflow.kpis.facts import Rows
from cxflow.kpis.periods import Grain, period_of
from cxflow.kpis.publication import latest
from cxflow.kpis.slices import OTHER
from cxflow.warehouse.tables import kpi_complete, kpi_value


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiValue:
    """One published value; the fields are the columns of `kpi_value`."""

    kpi: str
    """The name of the KPI."""
    version: int
    """Of its formula: values of different versions are never compared."""
    grain: Grain
    """How long the period is."""
    period_start: date
    """First day in the reporting time zone; 0001-01-01 for all."""
    dimension: str
    """channel, source, segment, agent, …; empty: everything."""
    dimension_value: str
    """`(other)`: all values without their own slice."""
    as_of: datetime
    """When it was published."""
    numerator: float | None
    """Additive, like the denominator; None for quantiles."""
    denominator: float | None
    """What the value divides by; None for quantiles."""
    n: int
    """Observations; 0: no event that could be counted."""
    value: float | None
    """None if n is under the minimum, or the denominator is 0."""
    ci_low: float | None
    """The lower end of the 95 % interval; None where there is no value, too few observations to bound it, or a note."""
    ci_high: float | None
    """The upper end."""
    is_suppressed: bool
    """Whether n is under the minimum, so that there is no value."""
    squared_deviation: float | None
    """Sum of squared deviations of the observations from their mean; None if the interval does not need it."""
    cubed_deviation: float | None
    """The same of their cubes."""
    interval_note: str | None
    """Why the value has no interval; None if it has one, or if there is no value."""
    left_out: int | None
    """Events that belong to the cell and could not be counted; None if they were not when it was published."""
    customers: int | None
    """Whose observations these are, each of an unknown customer counted as one; None: too many to count, or nobody
    did."""
    effective_n: float | None
    """How many independent observations would have this interval: n ÷ the design effect; None: not known."""
    is_complete: bool | None
    """Whether the period is over and everything that it needs is loaded; None for the whole time, which has no end, and
    for values of before this was stored."""

    restated_because: str | None
    """Why it replaced the value before it: which loads, or what else changed. None for the first value, and for values
    of before this was stored."""

    @property
    def is_open(self) -> bool:
        """Whether the period is not complete: its value is that of a part, and no fact yet."""
        return self.is_complete is False


def values(
    connection: Connection,
    kpi: str | Collection[str] | None = None,
    grain: Grain = "month",
    by: str | None = None,
    since: date | None = None,
    until: date | None = None,
    as_of: datetime | None = None,
) -> list[KpiValue]:
    """Current values, or those that were current at `as_of`, of one KPI, some or all, in the newest
    version.

    `by` selects the slices of a dimension instead of everything. `since` (inclusive) and `until` (exclusive) limit
    period_start. Ordered by KPI, period and slice, `(other)` last.
    """
    t = kpi_value.c
    wanted = [] if kpi is None else [t.kpi == kpi if isinstance(kpi, str) else t.kpi.in_(kpi)]
    return _current(connection, wanted, [t.grain == grain, *_within(by, since, until)], as_of)


def values_of_grains(
    connection: Connection,
    kpis: Mapping[Grain, Collection[str]],
    by: str | None = None,
    since: date | None = None,
    until: date | None = None,
    as_of: datetime | None = None,
) -> list[KpiValue]:
    """The same, with a grain for each KPI."""
    t = kpi_value.c
    wanted = [t.kpi.in_({name for names in kpis.values() for name in names})]
    in_grain = or_(*((t.grain == grain) & t.kpi.in_(names) for grain, names in kpis.items()))
    return _current(connection, wanted, [in_grain, *_within(by, since, until)], as_of)


def _within(by: str | None, since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    """The cells of everything, or of the slices of a dimension, whose periods begin in a span of days."""
    t = kpi_value.c
    found = [t.dimension == (by or "")]
    found += [t.period_start >= since] if since is not None else []
    found += [t.period_start < until] if until is not None else []
    return found


def slices(
    connection: Connection, grain: Grain, starts: Collection[date], as_of: datetime | None = None
) -> list[KpiValue]:
    """The values of every slice, of every dimension and KPI, in the periods that begin on `starts`. Current ones, or
    those that were current at `as_of`; ordered as in `values`."""
    t = kpi_value.c
    return _current(connection, [], [t.grain == grain, t.period_start.in_(starts), t.dimension != ""], as_of)


def cells(
    connection: Connection,
    grain: Grain,
    starts: Collection[date],
    kpis: Collection[str] | None = None,
    by: str = "",
    as_of: datetime | None = None,
) -> list[KpiValue]:
    """The values of everything, or of the slices of a dimension, in the periods that begin on `starts`; of some KPIs or
    all. Current ones, or those that were current at `as_of`; ordered as in `values`."""
    t = kpi_value.c
    wanted = [t.kpi.in_(kpis)] if kpis is not None else []
    return _current(
        connection, wanted, [t.grain == grain, t.period_start.in_(starts), t.dimension == by], as_of
    )


def history(
    connection: Connection,
    kpi: str,
    grain: Grain,
    by: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> list[KpiValue]:
    """Every value of a KPI that was ever published, of all versions, with why each replaced the one before; ordered by
    period, slice and time of publication. `by`, `since` and `until` as in `values`."""
    t = kpi_value.c
    wanted = [t.kpi == kpi, t.grain == grain]
    rows = (
        select(kpi_value)
        .where(*wanted, *_within(by, since, until))
        .order_by(t.period_start, t.dimension_value, t.as_of)
    )
    return [KpiValue(**row) for row in connection.execute(rows).mappings()]


def last_complete(
    connection: Connection,
    grain: Grain,
    kpis: Collection[str] | None = None,
    until: date | None = None,
    as_of: datetime | None = None,
) -> dict[str, date]:
    """KPI to the first day of its last complete period with observations; of those that end by `until` (exclusive), if
    it is given."""
    t = kpi_value.c
    wanted = [t.kpi.in_(kpis)] if kpis is not None else []
    cells = [t.grain == grain, t.dimension == ""]
    if until is not None:
        cells.append(t.period_start < period_of(grain, until))
    current = _newest(wanted, cells, as_of).subquery()
    # Values from before it was stored say nothing of it.
    is_complete = func.coalesce(current.c.is_complete, True)
    last = (
        select(current.c.kpi, func.max(current.c.period_start).label("start"))
        .where(current.c.n > 0, is_complete)
        .group_by(current.c.kpi)
    )
    return {row.kpi: row.start for row in connection.execute(last)}


def complete_until(connection: Connection) -> dict[str, dict[str, datetime | None]]:
    """KPI to source to the instant up to which it is complete; None: nobody knows. The source `""` is all of them."""
    found: dict[str, dict[str, datetime | None]] = {}
    for row in connection.execute(
        select(kpi_complete).order_by(kpi_complete.c.version, kpi_complete.c.source)
    ):
        found.setdefault(row.kpi, {})[row.source] = row.complete_until
    return found


def first_published(connection: Connection) -> datetime | None:
    """When the first values were published; None: none are."""
    first: datetime | None = connection.scalar(select(func.min(kpi_value.c.as_of)))
    return first


def _current(
    connection: Connection,
    wanted: Sequence[ColumnElement[bool]],
    cells: Sequence[ColumnElement[bool]],
    as_of: datetime | None,
) -> list[KpiValue]:
    """The values of the wanted KPIs in the cells that meet the conditions, in the newest version of each KPI."""
    current = _newest(wanted, cells, as_of).subquery()
    is_other = case((current.c.dimension_value == OTHER, 1), else_=0)
    statement = select(current).order_by(
        current.c.kpi,
        current.c.dimension,
        current.c.period_start,
        is_other,
        current.c.dimension_value,
    )
    return [KpiValue(**row) for row in connection.execute(statement).mappings()]


def _newest(
    wanted: Sequence[ColumnElement[bool]], cells: Sequence[ColumnElement[bool]], as_of: datetime | None
) -> Rows:
    t = kpi_value.c
    published = [*wanted, t.as_of <= as_of] if as_of is not None else wanted
    newest = select(t.kpi, func.max(t.version).label("version")).where(*published).group_by(t.kpi).subquery()
    current = latest(*published, *cells).subquery()
    is_newest = (newest.c.kpi == current.c.kpi) & (newest.c.version == current.c.version)
    return select(current).join_from(current, newest, is_newest)
