"""Estimators of who came back: customers of the period before who are customers of this one, and what they spent."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Boolean, ColumnElement, Double, String, case, cast, column, func, select

from cxflow.kpis.behind import NOBODY, Behind, Sides, as_period_began, of_period_before
from cxflow.kpis.cells import Cut, cells, cells_of_customers, kept, local_day, named
from cxflow.kpis.estimators import (
    EXACT,
    NO_CUSTOMER,
    NO_VALUE,
    OF_CUSTOMERS,
    Components,
    Estimate,
    OfFact,
    share_of,
)
from cxflow.kpis.facts import Fact, Reach, Rows, newest
from cxflow.kpis.periods import Period
from cxflow.kpis.ratio import POWERS, power, ratio_of

BEFORE, NOW = "period before", "this period"
"""The sides of a sum that is retained."""


@dataclass(frozen=True)
class Retained(OfFact):
    """Customers with an event in the previous period and in this one ÷ customers with one in the previous (n): 0 to 1.

    A period that begins after the fact's newest event has no value: it has not happened yet. A segment, country or
    consent is the customer's when the period began, whatever it was at each event: who changes has not left.
    """

    method = EXACT
    looks_back = True
    indivisible = OF_CUSTOMERS

    @property
    def behind(self) -> Behind:
        return Behind(
            self.counted, is_per_customer=True, described=as_period_began, narrowed=of_period_before
        )

    @property
    def reach(self) -> Mapping[str, Reach]:
        rows = self.counted.rows
        return {
            table: Reach(reach.before, reach.after, since_last=rows) for table, reach in self.of.reach.items()
        }

    def sizes(self, cut: Cut) -> Rows:
        """The sums of `n` over all periods, as there is no grain `all`."""
        cell = named(self.cells(cut), cut).subquery()
        return (
            select(cell.c.dimension, cell.c.dimension_value, func.sum(cell.c.n).label("n"))
            .where(cell.c.dimension != "")
            .group_by(cell.c.dimension, cell.c.dimension_value)
        )

    @property
    def family(self) -> Hashable:
        return ("retained", id(self.of))

    @cached_property
    def counted(self) -> Fact:
        return self.of.needing(NO_CUSTOMER, column("customer_id").is_not(None))

    def _last(self, cut: Cut) -> ColumnElement[Any]:
        return local_day(newest(self.counted.rows), cut.zone)

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, per_customer=True, last=self._last(cuts[0]), is_followed=True)

    def cells(self, cut: Cut) -> Rows:
        was_here, is_here = column("was_here", Boolean), column("is_here", Boolean)
        followed = cells(
            self.counted,
            cut,
            per_customer=True,
            last=self._last(cut),
            is_followed=True,
            was_here=func.bool_or(was_here),
            is_here=func.bool_or(is_here),
        )
        bases = select(followed.subquery()).where(was_here)
        return cells_of_customers(bases, n=func.count(), numerator=func.count().filter(is_here))

    def estimate(self, components: Components) -> Estimate:
        return share_of(components)


@dataclass(frozen=True)
class Churned(Retained):
    """Customers with an event in the previous period and none in this one ÷ customers with one in the previous (n): 1
    less what `Retained` says."""

    def estimate(self, components: Components) -> Estimate:
        left = components["n"] - components["numerator"]
        return share_of({**components, "numerator": left})


@dataclass(frozen=True)
class RetainedSum(Retained):
    """Sum of a measure over this period ÷ its sum over the previous one, both of the customers of the previous one; n
    is the number of customers whose earlier sum is above 0, and only they count.

    What new customers spend is in neither sum. `capped`: each customer's later sum counts up to the earlier one, so
    that who spends more does not hide who left. Its interval is that of a `Ratio`, over customers.
    """

    measure: ColumnElement[Any]
    """What is summed: an expression over the columns of the fact."""
    capped: bool = False
    shared: Hashable = None
    """Equal for those of one fact and measure, which then read it once; None: it shares with none."""
    method = (
        "of the linearised ratio over customers: the wider of Hall's transformation and Student's t; "
        "none if one customer decides"
    )

    @property
    def behind(self) -> Behind:
        return Behind(
            self.counted,
            column("retained", Double),
            is_per_customer=True,
            described=as_period_began,
            narrowed=self._of_both_periods,
            side=column("side", String),
            comes_to=_sums,
        )

    def _of_both_periods(self, fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
        """The events of the period before and of this one, by customers whose earlier sum is above 0, with their `side`
        and what is `retained`: the measure. Where it is capped and a customer's later sum is larger, each of the later
        events counts for its part of the earlier sum."""
        start, end = period.instants(zone)
        event = fact.between(period.before.instants(zone)[0], end).rows.subquery()
        was_here = event.c.at < start
        amount = cast(self.measure, Double)
        sums = {"earlier": was_here, "later": ~was_here}
        summed = select(
            event,
            amount.label("retained_measure"),
            case((was_here, BEFORE), else_=NOW).label("side"),
            *(
                func.sum(case((is_it, amount), else_=0.0)).over(partition_by=event.c.customer_id).label(name)
                for name, is_it in sums.items()
            ),
        ).subquery()
        c = summed.c
        retained: ColumnElement[Any] = c.retained_measure
        if self.capped:
            is_over = (c.side == NOW) & (c.later > c.earlier)
            retained = case((is_over, retained * c.earlier / c.later), else_=retained)
        return replace(fact, rows=select(summed, retained.label("retained")).where(c.earlier > 0))

    @property
    def family(self) -> Hashable:
        return self.shared and ("retained sum", self.shared)

    @property
    def counted(self) -> Fact:
        return super().counted.needing(NO_VALUE, self.measure.is_not(None))

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        measure, last = cast(self.measure, Double), self._last(cuts[0])
        return kept(self.counted, cuts, per_customer=True, measure=measure, last=last, is_followed=True)

    def cells(self, cut: Cut) -> Rows:
        amount = column("measure", Double)
        customer = cells(
            self.counted,
            cut,
            per_customer=True,
            measure=cast(self.measure, Double),
            last=self._last(cut),
            is_followed=True,
            earlier=func.sum(amount).filter(column("was_here", Boolean)),
            later=func.coalesce(func.sum(amount).filter(column("is_here", Boolean)), 0.0),
        ).subquery()
        earlier, later = column("earlier", Double), column("later", Double)
        bases = select(customer).where(customer.c.earlier > 0)
        sums = {
            f"{name}_{i}_{j}": func.sum(power(part, i) * power(earlier, j))
            for name, part in (("all", later), ("up_to", func.least(later, earlier)))
            for i, j in POWERS
        }
        return cells_of_customers(bases, n=func.count(), **sums)

    def estimate(self, components: Components) -> Estimate:
        name = "up_to" if self.capped else "all"
        return ratio_of(components["n"], {(i, j): components[f"{name}_{i}_{j}"] for i, j in POWERS})


def _sums(sides: Sides) -> Mapping[str, float]:
    """The numerator and the denominator of a retained sum."""
    return {
        "numerator": sides.get(NOW, NOBODY).given,
        "denominator": sides.get(BEFORE, NOBODY).given,
    }
