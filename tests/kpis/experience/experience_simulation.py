"""What the guards of the KPIs of experience are worth: how often their intervals hold a known truth, and how often
those of a naive formula do.

Many companies are simulated at once, with a fixed seed, and computed in one warehouse, where each is a segment: the
whole path from reviews and orders to the published interval is tried. Writes its table into docs/experience.md.

    python tests/kpis/experience/experience_simulation.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, StaticPool, create_engine

from cxflow.kpis.calculator import compute
from cxflow.kpis.declared import KPIS
from cxflow.kpis.read import KpiValue, values
from cxflow.settings import Settings
from cxflow.warehouse.tables import metadata

Array = NDArray[Any]

SEED = 20261128
COMPANIES = 400
"""Of each world, in the full run."""
BATCH = 50
"""Companies that are in the warehouse at a time."""
BEGIN = "TIMESTAMPTZ '2024-01-01 00:00:00+00'"
DAYS = 730.0
_PROVENANCE = (
    "'shop' AS source_system, 's' AS source_object, '' AS source_record_id, false AS is_deleted, 'r' AS run_id, "
    f"{BEGIN} AS loaded_at"
)
CHURN, UPLIFT, MEMORY = "churn_after_bad_experience_difference", "omnichannel_uplift", "memory_index"


_views = count()


class Found(NamedTuple):
    """What a formula found in the companies of a world."""

    world: str
    formula: str
    truth: float
    estimate: Array
    """Per company."""
    low: Array
    high: Array

    @property
    def held(self) -> float:
        """The share of intervals that hold the truth."""
        return float(np.mean((self.low <= self.truth) & (self.truth <= self.high)))


@cache
def _warehouse() -> Connection:
    """The one of all worlds: each ends with a rollback."""
    connection = create_engine("duckdb:///:memory:", poolclass=StaticPool).connect()
    metadata.create_all(connection)
    connection.commit()
    return connection


def _fill(connection: Connection, table: str, columns: str, numbers: Mapping[str, Array]) -> None:
    """Insert rows: `columns` says in SQL how their columns follow from the numbers."""
    raw: Any = connection.connection.driver_connection
    # A rollback would bring a view back that was unregistered.
    view = f"numbers_{next(_views)}"
    raw.register(view, pa.table({name: pa.array(found) for name, found in numbers.items()}))
    more = "" if table == "customer" else f", {_PROVENANCE}"
    connection.exec_driver_sql(f"INSERT INTO {table} BY NAME SELECT {columns}{more} FROM {view}")


def _customers(connection: Connection, company: Array) -> None:
    columns = (
        "'c' || person AS customer_id, 'company ' || company AS segment, "
        f"{BEGIN} AS first_seen_at, {BEGIN} AS last_seen_at"
    )
    _fill(connection, "customer", columns, {"person": np.arange(len(company)), "company": company})


def _at(day: str) -> str:
    return f"{BEGIN} + to_microseconds(CAST({day} * 86400e6 AS BIGINT))"


def _computed(connection: Connection, kpi: str, companies: int, grain: Any = "all") -> list[list[KpiValue]]:
    """The KPI's values of each company, in the order of their periods."""
    settings = Settings.model_validate({"kpis": {"dimensions": ["segment"], "max_values": companies}})
    kpis = {each.name: replace(each, grains=(grain,)) for each in KPIS if each.name == kpi}
    report = compute(connection, settings, kpis, datetime(2026, 6, 1, tzinfo=UTC))
    assert not report.failed
    found: dict[str, list[KpiValue]] = {}
    for value in values(connection, kpi, grain, "segment"):
        found.setdefault(value.dimension_value, []).append(value)
    assert len(found) == companies
    return [found[name] for name in sorted(found)]


def _found(world: str, formula: str, truth: float, cells: Sequence[tuple[Any, Any, Any]]) -> Found:
    estimate, low, high = (np.array(column, dtype=float) for column in zip(*cells, strict=True))
    return Found(world, formula, truth, estimate, low, high)


def _cells(published: Sequence[Sequence[KpiValue]]) -> list[tuple[Any, Any, Any]]:
    return [(cell.value, cell.ci_low, cell.ci_high) for [cell] in published]


def _shares(hits: Array, is_one: Array, company: Array, companies: int) -> list[tuple[Any, Any, Any]]:
    """The naive difference of two shares of each company, with Wald's interval."""

    def share(where: Array) -> tuple[Array, Array]:
        n = np.bincount(company[where], minlength=companies)
        p = np.bincount(company[where], hits[where], minlength=companies) / n
        return p, p * (1 - p) / n

    (one, of_one), (other, of_other) = share(is_one), share(~is_one)
    half = 1.96 * np.sqrt(of_one + of_other)
    return list(zip(one - other, one - other - half, one - other + half, strict=True))


def leaving(companies: int, leave: float, people: int = 1500, seed: int = SEED) -> list[Found]:
    """Companies in which `leave` of those with a bad experience stay away for good.

    Customers order at their own pace, for about two years. Who orders more often answers more often; bad experiences
    become more frequent, from 5 to 25 %.
    """
    random = np.random.default_rng(seed)
    size, most = companies * people, 40
    company = np.repeat(np.arange(companies), people)
    pace = random.gamma(1.5, 1 / 150, size)
    first = random.uniform(0, DAYS - 150, size)
    day = first[:, None] + np.cumsum(
        np.column_stack([np.zeros(size), random.exponential(1 / pace[:, None], (size, most - 1))]), axis=1
    )
    is_bad = random.random(day.shape) < 0.05 + 0.2 * day / DAYS
    # From 15 % of the slowest to 85 % of the quickest answer.
    rank = pace.argsort().argsort() / size
    answers = random.random(day.shape) < (0.15 + 0.7 * rank)[:, None]
    delay = random.uniform(1, 10, day.shape)
    leaves = is_bad & (random.random(day.shape) < leave)
    has_left = np.cumsum(leaves, axis=1) - leaves > 0
    is_there = (day < DAYS) & ~has_left
    connection = _warehouse()
    _customers(connection, company)
    person = np.broadcast_to(np.arange(size)[:, None], day.shape)
    order = np.arange(day.size).reshape(day.shape)
    _fill(
        connection,
        "order_header",
        f"'o' || o AS order_id, 'c' || person AS customer_id, 'EUR' AS currency_code, {_at('day')} AS created_at",
        {"o": order[is_there], "person": person[is_there], "day": day[is_there]},
    )
    is_answer = is_there & answers & (day + delay < DAYS)
    _fill(
        connection,
        "review",
        f"'v' || o AS review_id, 'o' || o AS order_id, 1 AS worst_rating, 5 AS best_rating, rating AS rating_value, "
        f"{_at('day')} AS date_published",
        {
            "o": order[is_answer],
            "rating": np.where(is_bad[is_answer], 1.0, 5.0),
            "day": (day + delay)[is_answer],
        },
    )
    world = f"{leave:.0%} leave after a bad experience" if leave else "a bad experience changes nothing"
    truth = _lost(day, is_bad & answers, pace, leave)
    guarded = _found(world, CHURN, truth, _cells(_computed(connection, CHURN, companies)))
    connection.rollback()
    # Naive: churn after a bad answer against that of everybody else, from the order on, followed or not.
    later = np.where(is_there, day, np.inf)
    following = np.column_stack([later[:, 1:], np.full(size, np.inf)])
    gone = (following - day > 90).astype(float)
    flat = is_there
    of = np.broadcast_to(company[:, None], day.shape)[flat]
    answered_bad = (is_answer & is_bad)[flat]
    everybody = _shares(gone[flat], answered_bad, of, companies)
    # Naive: who ever had a bad experience against who never had, active in the last 90 days or not.
    ever = (is_answer & is_bad).any(axis=1)
    inactive = 1.0 - ((day >= DAYS - 90) & is_there).any(axis=1)
    ever_found = _shares(inactive, ever, company, companies)
    return [
        guarded,
        _found(world, "against everybody without a bad answer", truth, everybody),
        _found(world, "customers with any bad answer against those with none", truth, ever_found),
    ]


def _lost(day: Array, exposed: Array, pace: Array, leave: float) -> float:
    """The true difference: of those with a bad answer, how many stay away who would have ordered in the 90 days."""
    if not leave:
        return 0.0
    would = 1 - np.exp(-pace * 90)
    in_time = exposed[:, 0] & (day[:, 0] + 104 < DAYS)
    return float(leave * would[in_time].mean())


def channels(companies: int, effect: float, people: int = 1200, seed: int = SEED) -> list[Found]:
    """Companies in which customers of several channels buy `effect` more.

    Who is more active has more touchpoints, so more channels, and buys more.
    """
    random = np.random.default_rng(seed)
    size, most = companies * people, 15
    company = np.repeat(np.arange(companies), people)
    activity = random.gamma(1.2, 1.5, size)
    touchpoints = np.minimum(1 + random.poisson(activity), most)
    is_there = np.arange(most) < touchpoints[:, None]
    channel = random.choice(3, is_there.shape, p=[0.75, 0.15, 0.1])
    day = np.column_stack([np.zeros(size), random.uniform(0, 89.9, (size, most - 1))])
    used = np.stack([((channel == each) & is_there).any(axis=1) for each in range(3)]).sum(axis=0)
    revenue = (
        random.poisson(0.6 * activity) * random.lognormal(4, 0.6, size) * np.where(used > 1, 1 + effect, 1)
    )
    connection = _warehouse()
    _customers(connection, company)
    person = np.broadcast_to(np.arange(size)[:, None], is_there.shape)
    _fill(
        connection,
        "touchpoint",
        f"'t' || t AS touchpoint_id, {_at('day')} AS occurred_at, 'visited_page' AS activity, "
        "'channel ' || channel AS channel, 'c' || person AS customer_id",
        {
            "t": np.arange(is_there.sum()),
            "day": day[is_there],
            "channel": channel[is_there],
            "person": person[is_there],
        },
    )
    buys = revenue > 0
    last = np.array([len(revenue)])
    _fill(
        connection,
        "order_header",
        f"'o' || person AS order_id, 'c' || person AS customer_id, 'EUR' AS currency_code, price AS price_total, "
        f"{_at('day')} AS created_at",
        {
            "person": np.concatenate([np.flatnonzero(buys), last]),
            "price": np.concatenate([revenue[buys].round(2), [1.0]]),
            "day": np.concatenate([random.uniform(91, 269, buys.sum()), [300.0]]),
        },
    )
    world = f"several channels: {effect:+.0%}" if effect else "channels change nothing"
    guarded = _found(world, UPLIFT, effect, _cells(_computed(connection, UPLIFT, companies)))
    connection.rollback()
    several = touchpoints > 1
    return [
        guarded,
        _found(world, "all customers", effect, _ratios(revenue, used > 1, company, companies)),
        _found(
            world,
            "without strata of as many touchpoints",
            effect,
            _ratios(revenue[several], used[several] > 1, company[several], companies),
        ),
    ]


def _ratios(revenue: Array, is_one: Array, company: Array, companies: int) -> list[tuple[Any, Any, Any]]:
    """The naive ratio of two means of each company, less 1, with the delta method's interval."""

    def mean(where: Array) -> tuple[Array, Array]:
        n = np.bincount(company[where], minlength=companies)
        average = np.bincount(company[where], revenue[where], minlength=companies) / n
        squares = np.bincount(company[where], revenue[where] ** 2, minlength=companies) / n
        return average, (squares - average**2) / n / average**2

    (one, of_one), (other, of_other) = mean(is_one), mean(~is_one)
    factor = np.exp(1.96 * np.sqrt(of_one + of_other))
    return list(zip(one / other - 1, one / other / factor - 1, one / other * factor - 1, strict=True))


def memories(companies: int, people: int = 2500, seed: int = SEED) -> list[Found]:
    """Companies whose experiences are the same in two quarters, of which more are judged in the second one."""
    random = np.random.default_rng(seed)
    company = np.tile(np.repeat(np.arange(companies), people), 2)
    quarter = np.repeat([0, 1], companies * people)
    size, most = len(company), 12
    judged = np.minimum(1 + random.poisson(np.where(quarter == 0, 1, 3.5)), most)
    is_there = np.arange(most) < judged[:, None]
    ratings = random.choice([0, 3, 7, 9, 10], is_there.shape, p=[0.08, 0.07, 0.15, 0.3, 0.4])
    day = np.sort(np.where(is_there, random.uniform(1, 89, is_there.shape), np.inf), axis=1)
    intensity = np.where(ratings >= 9, 1, np.where(ratings <= 6, -1, 0)) * np.abs(ratings / 5 - 1)
    connection = _warehouse()
    _customers(connection, company)
    person = np.broadcast_to(np.arange(size)[:, None], is_there.shape)
    begin = np.broadcast_to(91.0 * quarter[:, None], is_there.shape)
    numbers = {
        "t": np.arange(is_there.sum()),
        "person": person[is_there],
        "day": (begin + day)[is_there],
        "rating": ratings[is_there],
    }
    _fill(
        connection,
        "touchpoint",
        f"'t' || t AS touchpoint_id, {_at('day')} AS occurred_at, 'answered_survey' AS activity, 'web' AS channel, "
        "'c' || person AS customer_id, 'o' || t AS order_id",
        numbers,
    )
    _fill(
        connection,
        "survey_response",
        f"'r' || t AS response_id, 'q' AS question_id, 't' || t AS touchpoint_id, 'nps' AS metric_type, "
        f"rating AS rating_value, 0 AS worst_rating, 10 AS best_rating, {_at('day')} AS responded_at",
        numbers,
    )
    # The last quarter has no end yet without an event in it; the pairs are the first two.
    published = [cells[:2] for cells in _computed(connection, MEMORY, companies, "quarter")]
    connection.rollback()
    world = "the same experiences, more of them judged"
    changes = []
    for before, after in published:
        numbers_ = [
            getattr(each, name) for each in (before, after) for name in ("value", "ci_low", "ci_high")
        ]
        was, was_low, was_high, now, now_low, now_high = numbers_
        change = now - was
        below = np.hypot(now - now_low, was_high - was)
        above = np.hypot(now_high - now, was - was_low)
        changes.append((change, change - below, change + above))
    at_end = np.argmax(np.where(is_there, day, -1.0), axis=1)
    rows = np.arange(size)
    felt = np.where(is_there, intensity, 0.0)
    # Of equals, the later one.
    peak_at = most - 1 - np.argmax(np.abs(felt)[:, ::-1], axis=1)
    memory = (felt[rows, peak_at] + felt[rows, at_end]) / 2
    naive = []
    for each in range(companies):
        was_, now_ = (memory[(company == each) & (quarter == which)] for which in (0, 1))
        half = 1.96 * np.sqrt(was_.var() / len(was_) + now_.var() / len(now_))
        change = now_.mean() - was_.mean()
        naive.append((change, change - half, change + half))
    return [
        _found(world, f"change of {MEMORY}", 0.0, changes),
        _found(world, "change of the mean over all customers", 0.0, naive),
    ]


def row(found: Found) -> str:
    """The row of the table."""
    formula = f"`{found.formula}`" if found.formula in (CHURN, UPLIFT) else found.formula
    mean = float(np.mean(found.estimate))
    return f"| {found.world} | {formula} | {found.truth:+.3f} | {mean:+.3f} | {found.held:.0%} |"


def _in_batches(world: Callable[[int, int], list[Found]], companies: int) -> list[Found]:
    """A world of many companies, some at a time: the memory of a machine is not for all of them."""
    batches = [world(BATCH, SEED + first) for first in range(0, companies, BATCH)]
    together = []
    for same in zip(*batches, strict=True):
        arrays = (
            np.concatenate([getattr(each, name) for each in same]) for name in ("estimate", "low", "high")
        )
        truth = float(np.mean([each.truth for each in same]))
        together.append(Found(same[0].world, same[0].formula, truth, *arrays))
    return together


def table(companies: int) -> str:
    """The table of docs/experience.md."""
    worlds: tuple[Callable[[int, int], list[Found]], ...] = (
        lambda some, seed: leaving(some, 0.0, seed=seed),
        lambda some, seed: leaving(some, 0.2, seed=seed),
        lambda some, seed: channels(some, 0.0, seed=seed),
        lambda some, seed: channels(some, 0.25, seed=seed),
        lambda some, seed: memories(some, seed=seed),
    )
    head = "| world | formula | truth | found, mean | intervals that hold the truth |\n|---|---|---|---|---|"
    return "\n".join([head, *(row(found) for world in worlds for found in _in_batches(world, companies))])


def main() -> int:
    """Write the table into the page."""
    page = Path(__file__).parents[3] / "docs" / "experience.md"
    text = page.read_text(encoding="utf-8")
    begin, end = "do not edit -->\n", "<!-- /simulation -->"
    before, after = text.split(begin)[0] + begin, text[text.index(end) :]
    page.write_text(f"{before}\n{table(COMPANIES)}\n\n{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
