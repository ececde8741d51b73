"""The intervals hold at least 93 % from ten observations on, and the page says what the program computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from interval_coverage import Coverage, amounts, counts, nets, quantiles, ratings, row, shares

from cxflow.kpis import intervals

PAGE = (Path(__file__).parents[2] / "docs" / "kpis.md").read_text()


@pytest.mark.parametrize("kind", [shares, nets, quantiles])
@pytest.mark.parametrize("n", [10, 20])
def test_what_can_be_enumerated_holds_and_is_as_the_page_says(
    kind: Callable[[int], Coverage], n: int
) -> None:
    found = kind(n)
    assert found.least >= 0.93
    assert row(found) in PAGE


def test_counts_hold_and_are_as_the_page_says() -> None:
    assert row(counts()) in PAGE


@pytest.mark.parametrize("kind", [ratings, amounts])
@pytest.mark.parametrize("n", [10, 100])
def test_means_hold_in_a_simulation(kind: Callable[[int, int], Coverage], n: int) -> None:
    # Of 4,000 samples, the standard error of 93 % is 0.4 %.
    assert kind(n, 4_000).least >= 0.92


def test_the_program_tells_intervals_that_do_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def wald(hits: intervals.Array, n: intervals.Array) -> intervals.Interval:
        half = intervals.Z * np.sqrt(hits / n * (1 - hits / n) / n)
        return hits / n - half, hits / n + half

    monkeypatch.setattr(intervals, "share", wald)
    assert shares(10).least < 0.5
    assert nets(10).least < 0.5
