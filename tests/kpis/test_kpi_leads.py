"""lead_conversion_rate, win_rate, sales_cycle_days."""

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


def test_deals_are_won_or_lost_when_they_close(desk: Desk) -> None:
    # Won after 1 2 3 4 days, lost six: 4 of 10. The median of the won is 2.5 days. They close in April.
    for days in range(1, 5):
        desk.opportunity("a", True, created_at=at("4-01"), closed_at=at(f"4-{1 + days:02}"))
    for _ in range(6):
        desk.opportunity(None, False, created_at=at("3-01"), closed_at=at("4-20"))
    desk.opportunity("a", None, created_at=at("4-01"))
    desk.opportunity("a", True, created_at=at("4-01"), closed_at=at("4-20"), is_deleted=True)
    rate, cycle = desk.result("win_rate"), desk.result("sales_cycle_days")
    assert rate is not None
    assert cycle is not None
    assert (rate.numerator, rate.n) == (4, 10)
    assert (rate.ci_low, rate.ci_high) == pytest.approx(interval_by_hand.share(4, 10))
    assert (cycle.value, cycle.n) == (pytest.approx(2.5), 4)
    assert [v.period_start.month for v in desk.values("win_rate")] == [4]


@pytest.mark.parametrize(("kpi", "alone"), [("win_rate", 1), ("sales_cycle_days", 3)])
def test_one_deal_is_enough_and_open_ones_are_not(desk: Desk, kpi: str, alone: float) -> None:
    assert desk.result(kpi) is None
    desk.opportunity("a", None, created_at=None)
    desk.opportunity("a", None, closed_at=at("4-02"))
    assert desk.result(kpi) is None
    desk.customer("ana", "gold")
    desk.opportunity("a", True, created_at=at("4-01"), closed_at=at("4-04"), customer_id="ana")
    found = desk.result(kpi)
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(alone), 1)
    assert [v.dimension_value for v in desk.values(kpi, by="segment")] == ["gold"]
