"""The questions of analysts: each runs as it is written, on both databases, and answers what was worked out by hand of
the invented shop (`tests/analysts_shop.py`)."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from analysts_shop import compute, fill
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.warehouse import transactions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
QUESTIONS: dict[int, str] = {
    int(number): sql
    for number, sql in re.findall(r"^### (\d+)\. .*?```sql\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
}
JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)

ANSWERS: dict[int, list[tuple[Any, ...]]] = {
    # Bea's 3 and Cai's 10 are about calls; Cai's 9 about nothing known, and in Madrid of February; Ada's 9 about her
    # mail; Dan's 8 about his purchase.
    1: [
        (JANUARY, "phone", 2, 0),
        (FEBRUARY, "email", 1, 100),
        (FEBRUARY, "web", 1, 0),
        (FEBRUARY, None, 1, 100),
    ],
    # Ines is spoken of in Bea's 3, Joan in Cai's 10.
    3: [("ines", 1, 3), ("joan", 1, 10)],
    4: [("Desk", 1, 1), ("Lamp", 2, 3.5)],
    # Ada's 5 stars are of January, and she ordered in February. Bea and Dan never did again.
    5: [(False, 1, 0), (True, 2, 1)],
    # Weeks from Monday, 5 January: Ada, Bea; 26 January: Cai on Sunday, 1 February; 9 February: Ada, Dan, and both of
    # Dan's calls. Bea called on Sunday, the 11th, and in the week without an order.
    6: [(date(2026, 1, 5), 2, 1, 0.5), (date(2026, 1, 26), 1, 0, 0), (date(2026, 2, 9), 2, 2, 1)],
    # Bea called shipping again after two days; nobody called again after billing. Dan's first call was not answered.
    7: [("billing", 2, 1), ("shipping", 2, 0.5)],
    # In Madrid: three at 10, two of Dan's at 11, of which he gave up one.
    8: [(10, 3, 0), (11, 2, 1)],
    9: [("email", 1, 30), ("social", 1, 120)],
    10: [
        (JANUARY, "late", 2),
        (JANUARY, "invoice", 1),
        (JANUARY, "unknown", 1),
        (FEBRUARY, "invoice", 1),
        (FEBRUARY, "late", 1),
        (FEBRUARY, "unknown", 1),
    ],
    # Bea complained a day after her second call.
    11: [("called_support", "phone", 1, 24)],
    # Desks are in o2, o3, o4, of which o2 came back; lamps in o1, o3, o5, of which none did: o5 was only refunded.
    13: [("Desk", 3, 1 / 3), ("Lamp", 3, 0)],
    # Swift kept both days, the second in its last hour; snail was late once of twice.
    14: [("snail", 2, 0.5), ("swift", 2, 1)],
    # Cai's 400 are of February in Madrid.
    15: [(JANUARY, True, 2, 400, "EUR"), (FEBRUARY, False, 1, 300, "EUR"), (FEBRUARY, True, 2, 500, "EUR")],
    16: [("store", 1, 0), ("web", 3, 1)],
    17: [(False, "unknown", "EUR", 1, 100), (True, "unknown", "EUR", 1, 100)],
    19: [("fair", 2, 1, 1), ("search", 2, 1, 0)],
    # Dan does not consent.
    20: [("ES", "business", 2, 1), ("ES", "home", 2, 2)],
    21: [("shop", "stream", datetime(2026, 5, 2, 14), datetime(2026, 5, 2, 14), "stopped")],  # noqa: DTZ001 - local
    22: [("shop", 15, 13, 2)],
    23: [("shop", "stream", "cannot be cast", "rating_value", 1)],
}
"""Question to its answer. All others must answer something."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    """The shop, its KPIs computed, as if long ago, and its views published."""
    bench = Bench(
        tmp_path_factory.mktemp("analysis") / "project",
        {},
        warehouse=new_warehouse(),
        project={"timezone": "Europe/Madrid"},
        kpis={"min_n": 1},
    )
    with transactions.transaction(bench.settings) as connection:
        fill(connection)
    compute(bench.settings)
    bench.execute("UPDATE kpi_value SET as_of = TIMESTAMPTZ '2026-03-01 00:00:00+00'")
    flow.publish(bench.settings)
    return bench


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Numbers as every database gives them."""
    return [
        tuple(round(float(value), 9) if isinstance(value, Decimal | float) else value for value in row)
        for row in rows
    ]


def test_there_are_twenty_and_more_and_none_is_longer_than_five_lines() -> None:
    assert list(QUESTIONS) == list(range(1, 25))
    assert {number: sql for number, sql in QUESTIONS.items() if len(sql.splitlines()) > 5} == {}
    assert len(ANSWERS) > 8


@pytest.mark.parametrize("number", QUESTIONS)
def test_a_question_is_answered(shop: Bench, number: int) -> None:
    found = shop.query(QUESTIONS[number])
    assert found
    if number in ANSWERS:
        assert plain(found) == plain(ANSWERS[number])
