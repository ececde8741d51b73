"""What customers remember: the peak and the end of their experiences (Kahneman's peak–end rule)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    FromClause,
    Integer,
    Interval,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from cxflow.kpis import intervals
from cxflow.kpis.behind import Behind
from cxflow.kpis.cells import Cut, cells, local_day, local_time
from cxflow.kpis.estimators import NO_CUSTOMER, Components, Estimate, OfFact
from cxflow.kpis.experience.lived import judged, polarity, times_of_customers
from cxflow.kpis.experience.moments import epoch
from cxflow.kpis.facts import CUSTOMERS_NOW, Fact, Reach, Rows, newest, seconds_between
from cxflow.kpis.intervals import Array
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Grain, Period
from cxflow.warehouse.columns import TIME
from cxflow.warehouse.functions import hashed
from cxflow.warehouse.tables import customer_history

REMEMBERED = timedelta(days=90)
"""How long before a period's end an experience is remembered."""
BANDS: Mapping[str, tuple[int, int | None]] = {"1": (1, 1), "2_3": (2, 3), "4_or_more": (4, None)}
"""Band to the fewest and the most experiences of its customers. More experiences alone make a larger peak."""
MIX: Mapping[str, float] = {"1": 0.5, "2_3": 0.3, "4_or_more": 0.2}
"""The share of each band in the headline, the same in all periods and slices, so that a period in which more is judged
is not a better one."""
GRAINS: tuple[Grain, ...] = ("month", "quarter", "year", "all")

_LATER_PERIODS: Mapping[Grain, int] = {"month": 3, "quarter": 1, "year": 0}
"""Grain to how many periods after its own an experience may still be remembered at the end of."""
_MONTHS: Mapping[Grain, int] = {"month": 1, "quarter": 3, "year": 12}
"""Grain to the months of a period."""

_EXPERIENCE = cast(polarity, Double) * column("intensity", Double)
"""How good or bad it was, −1 to 1."""
EMPTY_BAND = "no customers in one of the bands"


@dataclass(frozen=True)
class PeakEnd(OfFact):
    """The mean over customers of (peak + end) ÷ 2, of their experiences in the 90 days before the period's end.

    An experience is polarity × intensity, −1 to 1. The peak is the largest in absolute value, the later one of equals;
    the end is the last. Of the customers of one band or, without a band, the bands' means in the proportions of MIX.
    """

    band: str | None = None
    method = "Student's t over the customers of each band, joined in the fixed mix (MOVER)"
    indivisible = "it joins the means of its bands in a fixed mix"

    @property
    def family(self) -> Hashable:
        return "peak–end", id(self.of)

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_CUSTOMER, column("customer_id").is_not(None))

    @property
    def behind(self) -> Behind:
        return Behind(
            self.counted,
            _EXPERIENCE,
            is_per_customer=True,
            described=_as_period_ended,
            narrowed=self._of_memory,
        )

    def _of_memory(self, fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
        """The experiences that are remembered at the end of a period, by the customers of the band."""
        if period.grain == "all":
            # Of everybody: the whole time ends for a slice when it ends for all.
            until = seconds_between(column("at", TIME), newest(times_of_customers))
            lived = fact.where(until <= REMEMBERED.total_seconds())
        else:
            end = period.instants(zone)[1]
            lived = fact.between(end - REMEMBERED, end)
        if self.band is None:
            return lived
        row = lived.rows.subquery()
        number = func.count().over(partition_by=row.c.customer_id)
        counted = select(row, number.label("experiences")).subquery()
        return replace(lived, rows=select(counted).where(_is_in(self.band, counted.c.experiences)))

    @property
    def reach(self) -> Mapping[str, Reach]:
        after = Reach(after=REMEMBERED.days + 1, since_last=times_of_customers)
        return dict.fromkeys(self.of.reach, after)

    def cells(self, cut: Cut) -> Rows:
        own, experiences = column("memory", Double), column("experiences", Integer)
        parts: dict[str, Any] = {}
        for band in BANDS:
            is_in = _is_in(band, experiences)
            parts[f"n_{band}"] = func.count().filter(is_in)
            parts[f"sum_{band}"] = func.coalesce(func.sum(own).filter(is_in), 0.0)
            parts[f"spread_{band}"] = func.coalesce(
                func.var_pop(own).filter(is_in), 0.0
            ) * func.count().filter(is_in)
        return cells(self._memories(cut), replace(cut, kept=None), n=func.count(), **parts)

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        """The experiences of several cuts: `lived_at`, the customer and what they are now, `peak` and `end`, packed,
        and when the `last` of all was."""
        rows = self.counted.rows.subquery()
        lived = select(rows)
        if (span := _remembered_within(cuts)) is not None:
            lived = lived.where(rows.c.at >= span[0], rows.c.at < span[1])
        experience = lived.subquery()
        second = cast(func.floor(epoch(experience.c.at)), BigInteger)
        return select(
            experience.c.at.label("lived_at"),
            # A hash of the customer takes a fifth of the memory of their id.
            hashed(experience.c.customer_id).label("customer_id"),
            *(experience.c[now.name] for now in CUSTOMERS_NOW.values()),
            _peak(_EXPERIENCE, second).label("peak"),
            _end(_EXPERIENCE, second).label("end"),
            newest(times_of_customers).label("last"),
        )

    def _memories(self, cut: Cut) -> Fact:
        """The memories at the ends of periods: one of each customer and period, dated to the period's beginning.

        Its dimensions are the customer's at the period's end. So a customer is one row here, however many the slices
        are.
        """
        row = self._remembered(cut).subquery().c
        memory = (_value_of_peak(func.max(row.peak)) + _value_of_end(func.max(row.end))) / 2
        of_customer = select(
            row.at,
            row.customer_id,
            func.max(row.ended_at).label("ended_at"),
            # What a customer is now is the same on all their rows: grouping by it would take long.
            *(_any(row[now.name]).label(now.name) for now in CUSTOMERS_NOW.values()),
            func.count().label("experiences"),
            memory.label("memory"),
        ).group_by(row.at, row.customer_id)
        memories = replace(self.counted, rows=of_customer, left_out={})
        return memories.with_customers_at(column("ended_at", TIME), hashed(customer_history.c.customer_id))

    def _remembered(self, cut: Cut) -> Rows:
        """The experiences, each once for every period at whose end it is remembered: `at`, when that begins, and
        `ended_at`, the customer and what they are now, and `peak` and `end`, packed."""
        row = self.kept((cut,)).subquery() if cut.kept is None else cut.kept
        known = [each for each in row.c if each.name not in ("lived_at", "last")]
        if cut.grain == "all":
            is_remembered = seconds_between(row.c.lived_at, row.c.last) <= REMEMBERED.total_seconds()
            return select(row.c.last.label("at"), row.c.last.label("ended_at"), *known).where(is_remembered)
        span = _remembered_within((cut,))
        lived = select(
            cast(func.date_trunc(cut.grain, local_time(row.c.lived_at, cut.zone)), Date).label("first"), row
        )
        if span is not None:
            lived = lived.where(row.c.lived_at >= span[0], row.c.lived_at < span[1])
        experience = lived.subquery()
        period = _periods(experience, cut).subquery()
        return (
            select(period.c.at, period.c.ended_at, *(experience.c[each.name] for each in known))
            .join_from(experience, period, period.c.first == experience.c.first)
            .where(experience.c.lived_at >= period.c.since)
        )

    def estimate(self, components: Components) -> Estimate:
        bands = [self.band] if self.band else list(BANDS)
        weights = np.array([1.0] if self.band else [MIX[band] for band in bands])
        sizes, means, below, above = (
            np.array(each) for each in zip(*map(_of(components), bands), strict=True)
        )
        n = sizes.sum(axis=0)
        is_empty = (sizes == 0).any(axis=0)
        with np.errstate(invalid="ignore"):
            value = weights @ means
            low = value - np.sqrt((weights**2) @ below**2)
            high = value + np.sqrt((weights**2) @ above**2)
        notes = np.full(n.shape, None, dtype=object)
        notes[is_empty & (n > 0)] = EMPTY_BAND
        none = np.full_like(n, np.nan)
        if self.band:
            return Estimate(
                n,
                components[f"sum_{self.band}"],
                n,
                components[f"spread_{self.band}"],
                none,
                value,
                low,
                high,
            )
        return Estimate(n, none, none, none, none, value, low, high, notes)


def _periods(experience: FromClause, cut: Cut) -> Rows:
    """The periods at whose end experiences may be remembered: the `first` day of the period that these are in, `at` and
    `ended_at`, the period's own instants, and `since` when they are remembered. Worked out for each period, because
    time zones cost more than all else that is done with an experience."""
    of = experience.c
    months = _MONTHS[cut.grain]
    lived = select(of.first, func.max(of.last).label("last")).group_by(of.first).cte("lived")
    periods = []
    for later in range(_LATER_PERIODS[cut.grain] + 1):
        start, end = (
            cast(lived.c.first, DateTime) + _months(months * number) for number in (later, later + 1)
        )
        wanted = [cast(start, Date) <= local_day(lived.c.last, cut.zone)]
        if cut.starts is not None:
            wanted.append(cast(start, Date).in_(cut.starts))
        at, ended_at = _instant(start, cut.zone), _instant(end, cut.zone)
        # In seconds: a day has 23 or 25 hours when the clocks change.
        since = (ended_at - _seconds(REMEMBERED)).label("since")
        periods.append(
            select(lived.c.first, at.label("at"), ended_at.label("ended_at"), since).where(*wanted)
        )
    return select(union_all(*periods).subquery())


def _any(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """The value of rows that all have the same."""
    return func.bool_or(value) if isinstance(value.type, Boolean) else func.min(value)


def _as_period_ended(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The experiences, with their customers as they were at the end of a period."""
    if period.grain == "all":
        return fact.with_customers_at(newest(times_of_customers))
    return fact.with_customers_at(literal(period.instants(zone)[1], TIME))


def _remembered_within(cuts: Sequence[Cut]) -> tuple[datetime, datetime] | None:
    """The time range of the experiences that are remembered at the ends of all periods of some cuts; None: all time."""
    spans = [span for cut in cuts for span in cut.spans or ()]
    if any(cut.spans is None for cut in cuts):
        return None
    return min(begin for begin, _ in spans) - REMEMBERED, max(end for _, end in spans)


def _is_in(band: str, experiences: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a customer with so many experiences is of a band."""
    fewest, most = BANDS[band]
    return experiences >= fewest if most is None else experiences.between(fewest, most)


# Of a customer's experiences, the strongest and the last are the largest of whole numbers in which value and time are
# packed: the database needs a few bytes for a customer, where ordered lists would take kilobytes. A value is rounded to
# 2⁻²⁸; of one second, the better experience counts as the later one.
_VALUE_BITS, _TIME_BITS = 28, 34
_UNIT = 2.0**_VALUE_BITS


def _whole(number: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(func.round(number), BigInteger)


def _peak(value: ColumnElement[float], second: ColumnElement[int]) -> ColumnElement[int]:
    """How strong, then when, then whether it was good."""
    is_good = case((value > 0, 1), else_=0)
    return _whole(func.abs(value) * _UNIT) * literal(2**_TIME_BITS, BigInteger) + second * 2 + is_good


def _value_of_peak(packed: ColumnElement[int]) -> ColumnElement[float]:
    strength = cast(packed.op(">>")(literal_column(str(_TIME_BITS))), Double) / _UNIT
    return case((packed % 2 == 1, strength), else_=-strength)


def _end(value: ColumnElement[float], second: ColumnElement[int]) -> ColumnElement[int]:
    """When, then how good, from 0 to twice the unit."""
    return second * literal(2 ** (_VALUE_BITS + 2), BigInteger) + _whole((value + 1) * _UNIT)


def _value_of_end(packed: ColumnElement[int]) -> ColumnElement[Any]:
    return cast(packed % literal(2 ** (_VALUE_BITS + 2), BigInteger), Double) / _UNIT - 1


def _of(components: Components) -> Any:
    """A band's number of customers, mean, and the distances to the ends of its interval."""

    def found(band: str) -> tuple[Array, Array, Array, Array]:
        n, total, spread = (components[f"{name}_{band}"] for name in ("n", "sum", "spread"))
        some = np.where(n > 0, n, np.nan)
        mean = total / some
        low, high = intervals.rating(total, spread, some, (-1, 1))
        return n, mean, mean - low, high - mean

    return found


def _instant(local: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    return func.timezone(zone, local, type_=TIME)


def _seconds(duration: timedelta) -> ColumnElement[Any]:
    return literal_column(f"INTERVAL '{duration.total_seconds():.0f} seconds'", Interval)


def _months(number: int) -> ColumnElement[Any]:
    return literal_column(f"INTERVAL '{number} months'", Interval)


def _index(band: str | None, title: str, title_es: str, who: str, who_es: str, of: str, of_es: str) -> Kpi:
    return Kpi(
        name=f"memory_index_{band}" if band else "memory_index",
        title=title,
        title_es=title_es,
        description=f"What {who} are likely to remember: their strongest and their last experience of 90 days.",
        description_es=f"Lo que es probable que recuerden {who_es}: su experiencia más intensa y la última de 90 días.",
        unit="points",
        better="higher",
        lowest=-1,
        highest=1,
        formula=f"mean over customers of (peak + end) ÷ 2 of their judged touchpoints in the 90 days before the "
        f"period's end, each polarity × intensity; {of}",
        formula_es="media, entre los clientes, de (pico + final) ÷ 2 de sus puntos de contacto valorados en los 90 "
        f"días previos al final del periodo, cada uno polaridad × intensidad; {of_es}",
        counts="judged touchpoints of known customers (docs/experience.md)",
        grains=GRAINS,
        # A memory is a customer's: of all they lived through, wherever that was.
        dimensions=("segment", "country", "consent"),
        of=PeakEnd(judged, band),
    )


_mix = ", ".join(f"{share:.0%}" for share in MIX.values())
_mix_es = _mix.replace("%", " %")
memory_index = _index(
    None,
    "Memory index",
    "Índice de recuerdo",
    "customers",
    "los clientes",
    f"customers with 1, 2–3 and 4 or more of them in the fixed mix {_mix}",
    f"clientes con 1, con 2 o 3 y con 4 o más, en la mezcla fija {_mix_es}",
)
memory_index_1 = _index(
    "1",
    "Memory index, one experience",
    "Índice de recuerdo, una experiencia",
    "customers with one experience",
    "los clientes con una experiencia",
    "customers with one of them",
    "clientes con uno",
)
memory_index_2_3 = _index(
    "2_3",
    "Memory index, 2–3 experiences",
    "Índice de recuerdo, 2 o 3 experiencias",
    "customers with 2 or 3 experiences",
    "los clientes con 2 o 3 experiencias",
    "customers with 2 or 3 of them",
    "clientes con 2 o 3",
)
memory_index_4_or_more = _index(
    "4_or_more",
    "Memory index, 4 or more experiences",
    "Índice de recuerdo, 4 o más experiencias",
    "customers with 4 or more experiences",
    "los clientes con 4 o más experiencias",
    "customers with 4 or more of them",
    "clientes con 4 o más",
)
