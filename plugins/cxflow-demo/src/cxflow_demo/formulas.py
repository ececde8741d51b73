"""From the observations of a cell to the value of a KPI. Called by ``kpis``.

Plain numpy on purpose: it shares no code with the formulas of cxflow that it checks.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
"""The observations of a cell."""


def mean(values: Values) -> float:
    """The arithmetic mean, of shares the share."""
    return float(values.mean())


def net_promoters(scores: Values) -> float:
    """100 × (share of 9 and 10 − share of 0 to 6): −100 to 100."""
    return float(100 * ((scores >= 9).mean() - (scores <= 6).mean()))


def top_two_of_five(scores: Values) -> float:
    """The share of 4 and 5: 0 to 1."""
    return float((scores >= 4).mean())


def contacts_per_100_orders(is_contact: Values) -> float:
    """Of observations that are 1 for a contact and 0 for an order."""
    return float(100 * is_contact.sum() / (1 - is_contact).sum())


def orders_among(is_contact: Values) -> int:
    """How many of the same are orders: 0."""
    return int((1 - is_contact).sum())


def share_with_two_or_more(persons: Values) -> float:
    """Persons who are there at least twice ÷ persons, of one observation an order: 0 to 1."""
    _, orders = np.unique(persons, return_counts=True)
    return float((orders >= 2).mean())


def quantile(q: float) -> Callable[[Values], float]:
    """The quantile by linear interpolation."""
    return lambda values: float(np.quantile(values, q))


def length(values: Values) -> int:
    """How many observations there are: the usual n."""
    return len(values)


def total(values: Values) -> float:
    """The sum."""
    return float(values.sum())


def share_of_worth(amounts: Values) -> float:
    """What was returned, as negative amounts, ÷ what was bought."""
    return float(-amounts[amounts < 0].sum() / amounts[amounts >= 0].sum())


def easy_less_hard(scores: Values) -> float:
    """100 × (share of 6 and 7 − share of 1 to 3): −100 to 100."""
    return float(100 * ((scores >= 6).mean() - (scores <= 3).mean()))


def pulled_to_the_middle(ratings: Values) -> float:
    """The mean of the ratings and seven more of 3.5."""
    return float((ratings.sum() + 7 * 3.5) / (len(ratings) + 7))


def half_are_over(minutes: Values) -> float:
    """The Kaplan–Meier median of durations with three significant digits, those that are not over as negative numbers;
    half-way to the next one where exactly half are over. NaN if more than half are not."""
    unit = 10 ** (np.floor(np.log10(np.maximum(np.abs(minutes), 1e-9))) - 2)
    rounded = np.floor(np.abs(minutes) / unit + 0.5) * unit
    left = 1.0
    ends: list[float] = sorted(set(rounded[minutes >= 0].tolist()))
    for place, end in enumerate(ends):
        watched = rounded >= end - 1e-9
        left *= 1 - float((watched & (rounded <= end + 1e-9) & (minutes >= 0)).sum()) / float(watched.sum())
        if left < 0.5 - 1e-9:
            return end
        if left < 0.5 + 1e-9:
            return (end + ends[place + 1]) / 2 if ends[place + 1 :] else float("nan")
    return float("nan")
