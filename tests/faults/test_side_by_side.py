"""Several `cxflow run` at once on one warehouse, first runs among them: every one of them succeeds, and the warehouse
holds what the same work one after another brings. `make faults` has 200 rounds on each engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from fault_rounds import Rounds, rounds

ROUNDS = int(os.environ.get("CXFLOW_ROUNDS", "5"))
"""On each engine."""
SEED = int(os.environ.get("CXFLOW_SEED", "23"))


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    make: Callable[[], str] | None = None
    if request.param == "postgresql":
        make = request.getfixturevalue("postgresql")
    with Rounds(tmp_path_factory.mktemp("rounds"), make) as found:
        yield found


def test_processes_side_by_side_come_to_what_one_after_another_comes_to(played: Rounds) -> None:
    chosen = list(islice(rounds(SEED), ROUNDS))
    assert {each.begin for each in chosen} == {"nothing", "first delivery"}
    assert {each.settles for each in chosen} == {True, False}
    outcomes = [played.play(each) for each in chosen]
    assert [outcome for outcome in outcomes if not outcome.is_clean] == []


def test_a_difference_would_be_seen(played: Rounds, tmp_path: Path) -> None:
    [asked] = islice(rounds(SEED), 1)
    incomplete = type(asked)("first delivery", (("shop", "crm"),), settles=True)
    found = played.play(incomplete)
    assert not found.failed
    assert {"support_case", "customer", "kpi_value", "quarantine", "source_record"} <= set(found.differs)
