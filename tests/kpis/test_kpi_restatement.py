"""Late data changes published values only by a new one beside them, which says why; the order of loads never shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at
from sqlalchemy import delete, insert, select

from cxflow.kpis.calculator import compute
from cxflow.kpis.read import KpiValue, history
from cxflow.warehouse.tables import (
    kpi_value,
    pending_kpi,
    survey_response,
)

LATER = FIRST + timedelta(days=1)


def arrive(desk: Desk, cause: str | None, as_of: datetime, *kpis: str) -> None:
    """Compute what a load of this name changed."""
    rows = [{"table_name": name, "day": day, "cause": cause} for name, day in desk._touched]
    desk.connection.execute(insert(pending_kpi), rows)
    desk.forget()
    desk.compute(*kpis, as_of=as_of)


def reasons(desk: Desk, kpi: str = "csat", **more: Any) -> list[tuple[int, str | None]]:
    found = history(desk.connection, kpi, "month", **more)
    return [(value.n, value.restated_because) for value in found if value.period_start.month == 3]


def test_a_first_value_needs_no_reason_and_a_late_one_names_its_load(desk: Desk) -> None:
    desk.answer("csat", 5)
    arrive(desk, "load of shop.answers, run 1", FIRST, "csat")
    desk.answer("csat", 1)
    arrive(desk, "load of shop.answers, run 2", LATER, "csat")
    assert reasons(desk) == [(1, None), (2, "load of shop.answers, run 2")]
    assert [value.value for value in desk.values("csat", as_of=FIRST)] == [1]
    assert [value.value for value in desk.values("csat")] == [0.5]


def test_each_period_names_the_loads_that_touched_it(desk: Desk) -> None:
    for day in ("2-14", "3-14"):
        desk.answer("csat", 5, at(day))
    arrive(desk, "first", FIRST, "csat")
    for number, (day, cause) in enumerate((("2-14", "a"), ("3-14", "b"), ("3-20", "c"))):
        desk.answer("csat", number % 5 + 1, at(day))
        rows = [{"table_name": name, "day": when, "cause": cause} for name, when in desk._touched]
        desk.connection.execute(insert(pending_kpi), rows)
        desk.forget()
    desk.compute("csat", as_of=LATER)
    found = {
        value.period_start.month: value.restated_because
        for value in history(desk.connection, "csat", "month")
        if value.restated_because
    }
    assert found == {2: "a", 3: "b; c"}
    (whole,) = (value for value in desk.values("csat", "all"))
    assert whole.restated_because == "a; b; c"


def test_a_step_that_follows_from_a_load_is_named_only_without_one(desk: Desk) -> None:
    for day in ("2-14", "3-14"):
        desk.answer("csat", 5, at(day))
    arrive(desk, "first", FIRST, "csat")
    for day, causes in (
        ("2-14", ("load of shop.answers, run 2", "customers linked anew")),
        ("3-14", ("texts",)),
    ):
        desk.answer("csat", 1, at(day))
        rows = [
            {"table_name": name, "day": when, "cause": cause}
            for name, when in desk._touched
            for cause in causes
        ]
        desk.connection.execute(insert(pending_kpi), rows)
        desk.forget()
    desk.compute("csat", as_of=LATER)
    found = {v.period_start.month: v.restated_because for v in desk.values("csat")}
    assert found == {2: "load of shop.answers, run 2", 3: "texts"}


def test_many_loads_are_counted(desk: Desk) -> None:
    desk.answer("csat", 5)
    arrive(desk, "first", FIRST, "csat")
    desk.answer("csat", 5)
    rows = [
        {"table_name": name, "day": day, "cause": f"load {number}"}
        for name, day in desk._touched
        for number in range(5)
    ]
    desk.connection.execute(insert(pending_kpi), rows)
    desk.forget()
    desk.compute("csat", as_of=LATER)
    assert reasons(desk)[1] == (2, "load 0; load 1; load 2; and 2 more")


def test_other_reasons_are_told_as_well(desk: Desk) -> None:
    for _ in range(3):
        desk.answer("csat", 5)
    desk.compute("csat")
    desk.configure(kpis={"min_n": 10})
    desk.compute("csat", as_of=LATER)
    assert reasons(desk)[1:] == [(3, "settings changed: kpis.min_n")]
    desk.answer("csat", 5)
    arrive(desk, None, LATER + timedelta(days=1), "csat")
    assert reasons(desk)[2:] == [(4, "rows changed, nobody noted by what")]
    desk.answer("csat", 5)
    desk.forget()
    desk.compute("csat", as_of=LATER + timedelta(days=2), everything=True)
    assert reasons(desk)[3:] == [(5, "recomputed on request")]


def test_a_new_version_says_which_one_it_follows(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    second = replace(BY_NAME["nps"], version=2)
    compute(desk.connection, desk.settings, {"nps": second}, LATER)
    assert reasons(desk, "nps") == [(1, None), (1, "version 2 of its definition follows version 1")]


def test_an_older_version_changes_nothing_and_the_newer_one_catches_up(desk: Desk) -> None:
    """As after a release was taken back: the days of the older version are gone."""
    second = replace(BY_NAME["nps"], version=2)
    desk.answer("nps", 10)
    desk.compute("nps")
    compute(desk.connection, desk.settings, {"nps": second}, LATER)
    desk.answer("nps", 10)
    desk.touch(survey_response, at("3-14").date())
    back = desk.compute("nps", as_of=LATER + timedelta(days=1))
    assert "values of version 2" in back.failed["nps"]
    assert [(v.version, v.n) for v in desk.values("nps")] == [(2, 1)]
    report = compute(desk.connection, desk.settings, {"nps": second}, LATER + timedelta(days=2))
    assert report.failed == {}
    assert [(v.version, v.n) for v in desk.values("nps")] == [(2, 2)]


def test_a_value_whose_events_are_gone_says_which_load_took_them(desk: Desk) -> None:
    desk.answer("csat", 5)
    arrive(desk, "first", FIRST, "csat")
    desk.connection.execute(delete(survey_response))
    desk.touch(survey_response, at("3-14").date())
    arrive(desk, "load of shop.answers, run 2", LATER, "csat")
    assert reasons(desk) == [(1, None), (0, "load of shop.answers, run 2")]


KPIS = ("csat", "first_contact_resolution", "average_order_value", "retention_rate", "first_reply_minutes")


def deliveries(chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Records of a shop, each to be loaded at any time."""
    for number in range(60):
        when = at(f"{chance.choice((2, 3))}-{chance.randrange(1, 28)}") + timedelta(minutes=number)
        customer = f"c{chance.randrange(8)}"
        match number % 4:
            case 0:
                yield "answer", {"metric": "csat", "rating": chance.randrange(1, 6), "when": when}
            case 1:
                yield "contact", {"when": when, "customer_id": customer, "reason": "late"}
            case 2:
                yield (
                    "order",
                    {"when": when, "customer_id": customer, "price_total": chance.randrange(9) + 1.0},
                )
            case _:
                yield "case", {"opened": when, "first_reply_at": when + timedelta(minutes=number)}


CELL = ("kpi", "grain", "period_start", "dimension", "dimension_value")
EXACT, ROUNDED = ("n", "left_out", "customers"), ("numerator", "value", "ci_low", "ci_high")


def state(values: list[KpiValue]) -> list[tuple[Any, ...]]:
    def rounded(number: float | None) -> float | None:
        return None if number is None else round(number, 9)

    return [
        (
            *(getattr(each, name) for name in (*CELL, *EXACT)),
            *(rounded(getattr(each, name)) for name in ROUNDED),
        )
        for each in values
        if each.n or each.left_out
    ]


def every_value(desk: Desk, **more: Any) -> list[tuple[Any, ...]]:
    return [
        row
        for grain in ("day", "week", "month", "year", "all")
        for by in (None, "source")
        for row in state(desk.values(None, grain, by, **more))
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_the_order_of_arrival_the_last_values_are_those_of_one_load(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    records = list(deliveries(chance))
    for kind, columns in records:
        getattr(desk, kind)(**columns)
    desk.compute(*KPIS)
    in_order = every_value(desk)
    desk.connection.rollback()
    desk.forget()

    chance.shuffle(records)
    known: dict[datetime, list[tuple[Any, ...]]] = {}
    for number in range(6):
        for kind, columns in records[number * 10 : number * 10 + 10]:
            getattr(desk, kind)(**columns)
        as_of = FIRST + timedelta(hours=number)
        arrive(desk, f"load {number}", as_of, *KPIS)
        known[as_of] = every_value(desk)
    assert every_value(desk) == in_order
    # What was known at each time is still answered as it was then.
    assert {as_of: every_value(desk, as_of=as_of) for as_of in known} == known
    # Each value that replaced another names the load that brought the change, at that time.
    rows = desk.connection.execute(
        select(kpi_value).order_by(kpi_value.c.as_of).where(kpi_value.c.grain != "day")
    ).mappings()
    seen: set[tuple[Any, ...]] = set()
    restated = 0
    for row in rows:
        cell = tuple(row[name] for name in CELL)
        number = round((row["as_of"] - FIRST) / timedelta(hours=1))
        assert row["restated_because"] == (f"load {number}" if cell in seen else None)
        restated += cell in seen
        seen.add(cell)
    assert restated > 50
