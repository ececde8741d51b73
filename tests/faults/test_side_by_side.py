"""Several `cxflow run` at once on one warehouse, first runs among them: every one of them succeeds, and the warehouse
holds what the same work one after another brings. `make faults` has 200 rounds on each engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from fault_rounds import Round, Rounds, rounds

ROUNDS = int(os.environ.get("CXFLOW_ROUNDS", "2"))
"""On each engine."""
SEED = int(os.environ.get("CXFLOW_SEED", "27"))


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def played(request: pytest.FixtureRequest) -> Iterator[Rounds]:
    make: Callable[[], str] | None = None
    if request.param == "postgresql":
        make = request.getfixturevalue("postgresql")
    with Rounds(make) as found:
        yield found


def test_processes_side_by_side_come_to_what_one_after_another_comes_to(played: Rounds) -> None:
    chosen = list(islice(rounds(SEED), ROUNDS))
    assert {each.begin for each in chosen} == {"nothing", "first delivery"}
    assert {each.settles for each in chosen} == {True, False}
    outcomes = [played.play(each) for each in chosen]
    assert [outcome for outcome in outcomes if not outcome.is_clean] == []


@pytest.mark.parametrize("played", ["duckdb"], indirect=True)
def test_a_difference_would_be_seen(played: Rounds) -> None:
    found = played.play(Round("first delivery", (("shop", "crm"),), settles=True))
    assert not found.failed
    assert {"support_case", "customer", "kpi_value", "quarantine", "source_record"} <= set(found.differs)
