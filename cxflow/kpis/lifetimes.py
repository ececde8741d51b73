"""Predicts what each customer will buy, from the orders of all. Called by `cxflow lifetimes`.

Days count as purchases: what is ordered on one day is one. Amounts are net of refunds, in the project's currency, and
not discounted. Only customers who certainly are new (`kpis.new_after_days`) are looked at: of the others, nobody knows
when they began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from cxflow.errors import ConfigError
from cxflow.kpis.buy_till_you_die import BgNbd, GammaGamma, NotFittedError
from cxflow.kpis.customer_months import histories
from cxflow.kpis.intervals import Array
from cxflow.kpis.order_facts import refunds_have_a_rate_too
from cxflow.settings import Settings

FEWEST = 100
"""Customers that a prediction needs."""
WEEKS_IN_A_MONTH = 365.25 / 12 / 7


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """What to expect of each customer: one element per customer."""

    buying: BgNbd
    """Its unit of time is the week."""
    spending: GammaGamma
    """Its amounts are in the project's currency."""
    customers: list[str]
    """Their ids."""
    repeats: Array
    """Days with an order after the first."""
    alive: Array
    """The probability that the customer still buys, 0 to 1."""
    orders: Array
    """Days with an order to expect in the time ahead."""
    value: Array
    """What these will be worth."""

    def table(self) -> pa.Table:
        """The customers, the most valuable first."""
        names = ("customer_id", "repeats", "alive", "expected_orders", "expected_value")
        columns = (self.customers, self.repeats.astype(int), self.alive, self.orders, self.value)
        found = pa.table(dict(zip(names, columns, strict=True)))
        return found.sort_by([("expected_value", "descending"), ("customer_id", "ascending")])


def predict(connection: Connection, settings: Settings, months: float) -> Lifetimes:
    """Predict the next `months` of each customer, from the newest order of their source on.

    Raises ConfigError if the orders do not tell, or are in a currency without a rate.
    """
    refunds_have_a_rate_too(connection, settings)
    rows = connection.execute(histories(settings, settings.project.timezone)).all()
    if len(rows) < FEWEST:
        raise ConfigError(
            f"{len(rows)} customers are certainly new: too few to predict",
            value=str(len(rows)),
            fix=f"it takes {FEWEST}; set kpis.new_after_days = 0 if the data hold all orders that there ever were",
        )
    customers, *numbers = zip(*rows, strict=True)
    repeats, recency, age, valued, spent = (np.array(each, dtype=float) for each in numbers)
    recency, age = recency / 7, age / 7
    mean = spent / np.maximum(valued, 1)
    has_amounts = valued > 0
    try:
        buying = BgNbd.fit(repeats, recency, age)
        spending = GammaGamma.fit(valued[has_amounts], mean[has_amounts])
    except NotFittedError as problem:
        raise ConfigError(
            f"the orders do not tell how customers buy: {problem}", fix="load more orders"
        ) from None
    orders = buying.expected(months * WEEKS_IN_A_MONTH, repeats, recency, age)
    value = orders * spending.expected(valued, mean)
    return Lifetimes(
        buying, spending, list(customers), repeats, buying.alive(repeats, recency, age), orders, value
    )
