"""Retention and cohorts worked out by pandas, from purchases alone: who bought, in which month, for how much."""

from __future__ import annotations

from typing import Any

import pandas as pd
from real_project import published


def retention(purchases: pd.DataFrame) -> dict[str, Any]:
    """What cxflow should publish by month of `customer` and `month` (a period): who buys again the month after."""
    active = purchases.groupby("month").customer.agg(set)
    return {
        f"{month + 1}-01": published(len(before & active.get(month + 1, set())) / len(before), len(before))
        for month, before in active.items()
        if month < active.index.max()
    }


def cohorts(
    purchases: pd.DataFrame, *, is_new: pd.Series | None = None, newest: pd.Period | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What cxflow should publish of `customer`, `month` (a period) and `amount`, one row a purchase: who buys again in
    each month after the first, and what they have spent by then. `is_new`: customer to whether a cohort holds them;
    None: all are. Only months before `newest`, by default that of the newest purchase."""
    first = purchases.groupby("customer").month.min()
    if is_new is not None:
        first = first[is_new.reindex(first.index)]
    each = purchases[purchases.customer.isin(first.index)].assign(
        cohort=lambda rows: rows.customer.map(first)
    )
    bought = each.pivot_table(index="customer", columns="month", values="amount", aggfunc="count").fillna(0)
    spent = each.pivot_table(index="customer", columns="month", values="amount", aggfunc="sum").fillna(0)
    newest = newest or purchases.month.max()
    retention, lifetime = {}, {}
    for cohort, members in first.groupby(first):
        for age in range(min((newest - cohort).n, 37)):
            now = bought.get(cohort + age, pd.Series(0, bought.index))[members.index]
            key = f"{cohort}-01 {age:02}"
            retention[key] = published((now > (age == 0)).mean(), len(members))
            until = spent.loc[members.index, [month for month in spent.columns if month <= cohort + age]]
            lifetime[key] = published(until.sum(axis=1).mean(), len(members))
    return retention, lifetime
