"""matured_return_rate, matured_lead_conversion_rate, complaint_rate."""

from __future__ import annotations

import interval_by_hand
import pytest
from kpi_desk import Desk, at


def test_returns_within_the_window_of_orders_whose_window_is_over(desk: Desk) -> None:
    """Known up to 31 March 14:00, by a return. Ten orders of 1 March 12:00: three returned within 30 days, to the
    second; one a second later, one refunded without goods, one cancelled (not counted). One of 2 March is not over."""
    for when in ("3-10", "3-31 11:00", "3-31 12:00", "3-31 12:00:01"):
        desk.refund(desk.order(at("3-01")), at(when))
    desk.refund(desk.order(at("3-01")), at("3-10"), is_return=False)
    for _ in range(5):
        desk.order(at("3-01"))
    desk.order(at("3-01"), is_cancelled=True)
    desk.refund(desk.order(at("3-02")), at("3-31 14:00"))
    desk.compute("matured_return_rate")
    [rate] = desk.values("matured_return_rate", "all")
    assert (rate.numerator, rate.n, rate.left_out) == (3, 10, 1)
    assert (rate.ci_low, rate.ci_high) == pytest.approx(interval_by_hand.share(3, 10))


def test_a_window_ends_though_nothing_of_its_day_changed(desk: Desk) -> None:
    desk.refund(desk.order(at("3-01")), at("3-10"))
    desk.compute("matured_return_rate")
    assert [(v.n, v.left_out) for v in desk.values("matured_return_rate", "day")] == [(0, 1)]
    desk.order(at("3-31"))
    desk.compute("matured_return_rate")
    first, second = desk.values("matured_return_rate", "day")
    assert (first.value, first.n, second.n, second.left_out) == (1, 1, 0, 1)


def test_the_window_is_a_setting(desk: Desk) -> None:
    desk.configure(kpis={"return_days": 5})
    desk.refund(desk.order(at("3-01")), at("3-10"))
    rate = desk.result("matured_return_rate")
    assert rate is not None
    assert (rate.value, rate.n) == (0, 1)


def test_leads_that_were_won_within_the_window(desk: Desk) -> None:
    """Known up to 30 May. Leads of 1 January: one won after 10 days, one after 120, one lost, one without a deal. A
    lead of 1 April has 59 days."""
    for number in range(4):
        desk.lead(f"l{number}", at("1-01"))
    desk.opportunity("l0", True, created_at=at("1-05"), closed_at=at("1-11"))
    desk.opportunity("l1", True, created_at=at("1-05"), closed_at=at("5-01"))
    desk.opportunity("l2", False, created_at=at("1-05"), closed_at=at("1-11"))
    desk.lead("l4", at("4-01"))
    desk.opportunity("l4", True, created_at=at("4-02"), closed_at=at("5-30"))
    desk.compute("matured_lead_conversion_rate")
    [rate] = desk.values("matured_lead_conversion_rate", "all")
    assert (rate.numerator, rate.n, rate.left_out) == (1, 4, 1)


@pytest.mark.parametrize("kpi", ["matured_return_rate", "matured_lead_conversion_rate", "complaint_rate"])
def test_nothing_has_no_value(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None


def test_complaints_per_100_orders(desk: Desk) -> None:
    # 3 complaints to 8 orders: 37.5 per 100, as 3 contacts in test_kpi_contact.
    for _ in range(8):
        desk.order()
    for _ in range(3):
        desk.contact(at("3-14"), activity="filed_complaint")
    desk.contact(at("3-14"))
    desk.contact(at("3-14"), activity="filed_complaint", is_deleted=True)
    rate = desk.result("complaint_rate")
    assert rate is not None
    assert (rate.value, rate.numerator, rate.n) == (pytest.approx(37.5), 3, 8)
    assert (rate.ci_low, rate.ci_high) == (pytest.approx(7.733, abs=5e-4), pytest.approx(109.591, abs=5e-4))
