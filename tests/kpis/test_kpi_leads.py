"""lead_conversion_rate."""

from __future__ import annotations

import interval_by_hand
import pytest
from kpi_desk import Desk, at


def test_a_lead_is_converted_when_one_of_its_deals_is_won(desk: Desk) -> None:
    # Won: a, b (one of two). Lost: c. Open: d. None: e … j. 2 of 10.
    for name in "abcdefghij":
        desk.lead(name)
    desk.lead("k", is_deleted=True)
    desk.opportunity("a", True)
    desk.opportunity("b", False)
    desk.opportunity("b", True)
    desk.opportunity("c", False)
    desk.opportunity("d", None)
    desk.opportunity("e", True, is_deleted=True)
    desk.opportunity("k", True)
    rate = desk.result("lead_conversion_rate")
    assert rate is not None
    assert (rate.numerator, rate.n, rate.value) == (2, 10, pytest.approx(0.2))
    assert (rate.ci_low, rate.ci_high) == pytest.approx(interval_by_hand.share(2, 10))


def test_a_deal_won_later_counts_where_the_lead_was_created(desk: Desk) -> None:
    desk.lead("a", at("1-15"))
    desk.compute("lead_conversion_rate")
    desk.opportunity("a", True, created_at=at("5-15"))
    desk.compute("lead_conversion_rate")
    assert [(v.period_start.month, v.value) for v in desk.values("lead_conversion_rate")] == [(1, 1)]


def test_a_deal_of_no_lead_converts_nobody(desk: Desk) -> None:
    assert desk.result("lead_conversion_rate") is None
    desk.lead("a")
    desk.opportunity(None, True)
    rate = desk.result("lead_conversion_rate")
    assert rate is not None
    assert (rate.value, rate.n) == (0, 1)
