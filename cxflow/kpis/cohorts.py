"""KPIs of cohorts: of the customers who first ordered in one month, how many order again in each month after it, and
what they are worth so far."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    Double,
    FromClause,
    Integer,
    String,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from cxflow.kpis import customer_months, intervals
from cxflow.kpis.behind import NOBODY, Behind, By, Slicing
from cxflow.kpis.cells import Cut
from cxflow.kpis.customer_months import AGE
from cxflow.kpis.estimators import EXACT, Components, Estimate, Estimator, share_of
from cxflow.kpis.facts import EVERYWHERE, Fact, Reach, Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.order_facts import refunds_have_a_rate_too
from cxflow.kpis.periods import BEGINNING, Grain, Period
from cxflow.kpis.slices import Slices
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, order_line, refund

LAST_AGE = 36
"""Months that a cohort is followed for."""
BY_AGE = f"by {AGE} only"
"""A cohort as a whole has no value: it would grow with the months that it has been followed for."""

FIRST, AGAIN = "first order", "ordered again"
"""The sides of a cohort's retention: the order that makes a customer one of it, and those of the month in question."""

_GRAINS: tuple[Grain, ...] = ("month", "all")
_SUMS = ("sum_1", "sum_2", "sum_3")
_ROUNDING = 1e-12
_age, _over, _number = (column(name, Integer) for name in ("age", "over", "number"))


@dataclass(frozen=True)
class Cohorts(Estimator):
    """What the cohort of a month, or all cohorts together, did in each month since the first order: a slice by
    `months_since_first`, `00` to `36`, of each such month that is over. All together are those that have come so far.
    """

    settings: Settings

    @property
    def family(self) -> Hashable:
        return ("cohorts", id(self.settings))

    @cached_property
    def sliced(self) -> Fact:
        return customer_months.every_customer(self.settings)

    @property
    def _last(self) -> int:
        """The last age: there is a slice for each."""
        return min(LAST_AGE, self.settings.kpis.max_values - 1)

    @property
    def _orders(self) -> Fact:
        """The orders of the customers of cohorts."""
        rows = customer_months.orders_of_cohorts(self.settings, self.settings.project.timezone)
        return Fact(rows, self.reach, table=order_header.name)

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return customer_months.triangle(self.settings, cuts[0].zone, self._last)

    def cells(self, cut: Cut) -> Rows:
        """`n` customers, of whom `numerator` ordered again in the month and `valued` count for money: `sum_1` to
        `sum_3` are the sums of what each of these has spent so far, of its squares and of its cubes."""
        found = cut.kept if cut.kept is not None else self.kept((cut,)).subquery()
        start: ColumnElement[Any] = literal(BEGINNING, Date) if cut.grain == "all" else found.c.cohort
        cohorts = select(found, start.label("start")).where(found.c.age == 0)
        if cut.starts is not None and cut.grain != "all":
            cohorts = cohorts.where(found.c.cohort.in_(cut.starts))
        size = cohorts.subquery()
        whole = _cells(cut, size)
        if AGE not in cut.dimensions:
            return whole
        return select(union_all(whole, _cells(cut, self._followed(found, size), AGE)).subquery())

    def _followed(self, found: FromClause, size: FromClause) -> FromClause:
        """Each cohort at each age that it has come to, with the sums so far."""
        ages = func.unnest(literal(list(range(self._last + 1)), ARRAY(Integer)))
        age = select(ages.label("age")).subquery()
        same = and_(found.c.cohort == size.c.cohort, found.c.over == size.c.over, found.c.age == age.c.age)
        so_far: dict[str, Any] = {
            "partition_by": (size.c.cohort, size.c.over),
            "order_by": age.c.age,
            "rows": (None, 0),
        }
        sums = (func.sum(func.coalesce(found.c[name], 0.0)).over(**so_far).label(name) for name in _SUMS)
        return (
            select(
                size.c.start,
                func.lpad(cast(age.c.age, String), 2, "0").label("value"),
                size.c.customers,
                size.c.valued,
                func.coalesce(found.c.again, 0.0).label("again"),
                *sums,
            )
            .join_from(size, age, age.c.age < size.c.over)
            .outerjoin(found, same)
            .subquery()
        )


def _cells(cut: Cut, rows: FromClause, dimension: str = "") -> Rows:
    """One row per cell; without a dimension, only how many customers there are."""
    c, none = rows.c, cast(null(), Double)
    value = c.value if dimension else literal("", String)
    sums = {"numerator": "again"} | {name: name for name in _SUMS}
    return select(
        literal(cut.grain, String).label("grain"),
        c.start.label("period_start"),
        literal(dimension, String).label("dimension"),
        value.label("dimension_value"),
        func.sum(c.customers).label("n"),
        func.sum(c.valued).label("valued"),
        *((func.sum(c[of]) if dimension else none).label(name) for name, of in sums.items()),
    ).group_by(c.start, *([value] if dimension else []))


@dataclass(frozen=True)
class CohortShare(Cohorts):
    """Customers of the cohort who order again in the month ÷ customers of the cohort: 0 to 1."""

    method = EXACT

    @property
    def reach(self) -> Mapping[str, Reach]:
        return {order_header.name: EVERYWHERE}

    @property
    def left_out(self) -> Mapping[str, Fact]:
        return customer_months.left_out(self.settings, needs_value=False)

    @property
    def behind(self) -> Behind:
        return Behind(
            self._orders,
            is_per_customer=True,
            narrowed=_of_cohort,
            sliced=_at_age(lambda age: or_(_number == 1, _age == age)),
            side=case((_number == 1, FIRST), else_=AGAIN),
            comes_to=lambda sides: {"numerator": sides.get(AGAIN, NOBODY).customers},
        )

    def estimate(self, components: Components) -> Estimate:
        found = share_of({name: components[name] for name in ("n", "numerator")})
        return _by_age_alone(found)


@dataclass(frozen=True)
class CohortValue(Cohorts):
    """What the cohort has spent up to the end of the month, after refunds ÷ customers of the cohort."""

    method = (
        "over customers: the wider of Hall's transformation and Student's t; none if one customer decides"
    )

    @property
    def reach(self) -> Mapping[str, Reach]:
        return dict.fromkeys((order_header.name, order_line.name, refund.name), EVERYWHERE)

    @property
    def left_out(self) -> Mapping[str, Fact]:
        return customer_months.left_out(self.settings, needs_value=True)

    @property
    def behind(self) -> Behind:
        return Behind(
            self._orders.where(column("is_valued", Boolean)),
            column("net", Double),
            is_per_customer=True,
            is_sum=True,
            narrowed=_of_cohort,
            sliced=_at_age(lambda age: _age <= age),
        )

    def estimate(self, components: Components) -> Estimate:
        n, *sums = (components[name] for name in ("valued", *_SUMS))
        total, squares, cubes = sums
        some = np.where(n > 0, n, np.nan)
        mean = total / some
        spread = squares - total * mean
        # Equal amounts differ by the rounding of their squares.
        spread = np.where(spread <= _ROUNDING * squares, 0.0, spread)
        skew = np.where(spread > 0, cubes - 3 * mean * squares + 2 * mean**2 * total, 0.0)
        low, high, notes = intervals.skewed(mean, spread, skew, n)
        return _by_age_alone(Estimate(n, total, n, spread, skew, mean, low, high, notes))


def _of_cohort(orders: Fact, period: Period, _zone: ZoneInfo) -> Fact:
    """The orders of the customers of one cohort or, over all time, of all."""
    return orders if period.grain == "all" else orders.where(column("cohort", Date) == period.start)


def _at_age(which: Callable[[int], ColumnElement[bool]]) -> Slicing:
    """At an age, the orders for which `which` holds, by customers whose month of that age is over. Of cohorts as a
    whole, the order that made a customer one of them."""

    def sliced(orders: Fact, by: By, _slices: Slices) -> Fact:
        if by is None:
            return orders.where(_number == 1)
        age = int(by[1])
        return orders.where(_over > age, which(age))

    return sliced


def _by_age_alone(found: Estimate) -> Estimate:
    """The same, without an interval of cohorts as a whole, which have no value."""
    is_whole = np.isnan(found.numerator)
    notes = np.full(found.n.shape, None, dtype=object) if found.notes is None else found.notes
    return replace(
        found,
        squared_deviation=np.where(is_whole, np.nan, found.squared_deviation),
        cubed_deviation=np.where(is_whole, np.nan, found.cubed_deviation),
        low=np.where(is_whole, np.nan, found.low),
        high=np.where(is_whole, np.nan, found.high),
        notes=np.where(is_whole, BY_AGE, notes),
        clusters=None,
        effect=None,
    )


_WHO = (
    "customers whose first order was placed in the cohort's month, except in the first 180 days of their source "
    "(kpis.new_after_days)"
)
_MONTHS = "calendar months that are over: the newest order of their source is of a later one"
_WHO_ES = (
    "clientes cuyo primer pedido se hizo en el mes de la cohorte, salvo en los primeros 180 días de su fuente "
    "(kpis.new_after_days)"
)
_MONTHS_ES = "meses naturales ya terminados: el pedido más reciente de su fuente es de uno posterior"

cohort_retention = Kpi(
    name="cohort_retention",
    title="Cohort retention",
    title_es="Retención por cohortes",
    description="Of the customers who first ordered in one month, the share who order again in each of the months "
    "since.",
    description_es="De los clientes que pidieron por primera vez en un mes, la proporción que vuelve a pedir en cada "
    "uno de los meses siguientes.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula=f"{_WHO} who order again in the month that is months_since_first later (00: again in the first month) ÷ "
    f"those customers; {_MONTHS}",
    formula_es=f"{_WHO_ES}, que vuelven a pedir en el mes que llega months_since_first meses después (00: otra vez "
    f"en el primer mes) ÷ esos clientes; {_MONTHS_ES}",
    of=CohortShare,
    grains=_GRAINS,
    always=(AGE,),
)

customer_lifetime_value = Kpi(
    name="customer_lifetime_value",
    title="Customer lifetime value so far",
    title_es="Valor de vida del cliente hasta la fecha",
    description="What customers who first ordered in one month have spent on average, up to the end of each of the "
    "months since, after refunds. It does not look ahead.",
    description_es="Lo que han gastado de media los clientes que pidieron por primera vez en un mes, hasta el final de "
    "cada uno de los meses siguientes, menos reembolsos. No mira al futuro.",
    unit="project currency",
    better="higher",
    decimals=2,
    formula="net value (as in net_revenue) of the orders placed up to the end of the month that is months_since_first "
    f"later, by {_WHO} ÷ those customers; {_MONTHS}",
    formula_es="importe neto (como en «Ingresos netos») de los pedidos hechos hasta el final del mes que llega "
    f"months_since_first meses después, por {_WHO_ES} ÷ esos clientes; {_MONTHS_ES}",
    of=CohortValue,
    grains=_GRAINS,
    always=(AGE,),
    check=refunds_have_a_rate_too,
)
