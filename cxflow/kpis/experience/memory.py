"""What customers remember: the peak and the end of their experiences (Kahneman's peak–end rule)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Integer,
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
from cxflow.kpis.cells import LONGEST, Cut, cells, cells_of_customers, local_day, local_time
from cxflow.kpis.estimators import NO_CUSTOMER, Components, Estimate, OfFact
from cxflow.kpis.experience.lived import judged, polarity
from cxflow.kpis.experience.moments import epoch
from cxflow.kpis.facts import Fact, Reach, Rows, newest, seconds_between
from cxflow.kpis.intervals import Array
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Grain
from cxflow.warehouse.columns import TIME
from cxflow.warehouse.functions import hashed

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
    def reach(self) -> Mapping[str, Reach]:
        after = Reach(after=REMEMBERED.days + 1, since_last=self.counted.rows)
        return dict.fromkeys(self.of.reach, after)

    def cells(self, cut: Cut) -> Rows:
        experience = cast(polarity, Double) * column("intensity", Double)
        second = cast(func.floor(epoch(column("lived_at", TIME))), BigInteger)
        customers = cells(
            self._remembered(cut),
            cut,
            per_customer=True,
            experiences=func.count(),
            peak=func.max(_peak(experience, second)),
            end=func.max(_end(experience, second)),
        ).subquery()
        memory = (_value_of_peak(customers.c.peak) + _value_of_end(customers.c.end)) / 2
        remembering = select(customers, memory.label("memory"))
        own, experiences = column("memory", Double), column("experiences", Integer)
        parts: dict[str, ColumnElement[Any]] = {"n": func.count()}
        for band, (fewest, most) in BANDS.items():
            is_in = experiences >= fewest if most is None else experiences.between(fewest, most)
            parts[f"n_{band}"] = func.count().filter(is_in)
            parts[f"sum_{band}"] = func.coalesce(func.sum(own).filter(is_in), 0.0)
            parts[f"spread_{band}"] = func.coalesce(
                func.var_pop(own).filter(is_in), 0.0
            ) * func.count().filter(is_in)
        return cells_of_customers(remembering, **parts)

    def _remembered(self, cut: Cut) -> Fact:
        """The experiences, each once for every period at whose end it is remembered, dated into that period."""
        experience = self.counted.rows.subquery()
        # A hash of the customer takes a fifth of the memory of their id.
        others = [each for each in experience.c if each.name != "customer_id"]
        row = select(*others, hashed(experience.c.customer_id).label("customer_id")).subquery()
        last = newest(self.counted.rows)
        seconds = REMEMBERED.total_seconds()
        if cut.grain == "all":
            rows = select(row, row.c.at.label("lived_at")).where(seconds_between(row.c.at, last) <= seconds)
            return replace(self.counted, rows=rows)
        last_day = local_day(last, cut.zone)
        start = _cut_back(cut.grain, local_time(row.c.at, cut.zone))
        copies = []
        for later in range(_LATER_PERIODS[cut.grain] + 1):
            end = _cut_back(cut.grain, start + LONGEST[cut.grain])
            is_remembered = seconds_between(row.c.at, _instant(end, cut.zone)) <= seconds
            at = _instant(start, cut.zone) if later else row.c.at
            others = [each for each in row.c if each.name != "at"]
            copies.append(
                select(at.label("at"), *others, row.c.at.label("lived_at")).where(
                    is_remembered, cast(start, Date) <= last_day
                )
            )
            start = end
        return replace(self.counted, rows=select(union_all(*copies).subquery()))

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


def _cut_back(grain: Grain, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.date_trunc(grain, moment, type_=DateTime)


def _index(band: str | None, title: str, title_es: str, who: str, who_es: str, of: str) -> Kpi:
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
        counts="judged touchpoints of known customers (docs/experience.md)",
        grains=GRAINS,
        # A memory is a customer's: of all they lived through, wherever that was.
        dimensions=("segment", "country", "consent"),
        of=PeakEnd(judged, band),
    )


_mix = ", ".join(f"{share:.0%}" for share in MIX.values())
memory_index = _index(
    None,
    "Memory index",
    "Índice de recuerdo",
    "customers",
    "los clientes",
    f"customers with 1, 2–3 and 4 or more of them in the fixed mix {_mix}",
)
memory_index_1 = _index(
    "1",
    "Memory index, one experience",
    "Índice de recuerdo, una experiencia",
    "customers with one experience",
    "los clientes con una experiencia",
    "customers with one of them",
)
memory_index_2_3 = _index(
    "2_3",
    "Memory index, 2–3 experiences",
    "Índice de recuerdo, 2 o 3 experiencias",
    "customers with 2 or 3 experiences",
    "los clientes con 2 o 3 experiencias",
    "customers with 2 or 3 of them",
)
memory_index_4_or_more = _index(
    "4_or_more",
    "Memory index, 4 or more experiences",
    "Índice de recuerdo, 4 o más experiencias",
    "customers with 4 or more experiences",
    "los clientes con 4 o más experiencias",
    "customers with 4 or more of them",
)
