"""preventable_contact_rate, preventable_share."""

from __future__ import annotations

from pathlib import Path

import pytest
from kpi_desk import Desk, at

from cxflow import settings as configuration

RATE, SHARE = "preventable_contact_rate", "preventable_share"


def test_preventable_contacts_are_those_whose_reason_should_not_arise(desk: Desk) -> None:
    for _ in range(8):
        desk.order()
    # Preventable, in any spelling: 3. Not: 3. Unknown to the table, or none: 3. Not a contact of a customer: 1.
    for reason in ("late_delivery", "Order status", " WHERE-is-my-order "):
        desk.contact(at("3-14"), reason=reason)
    for reason in ("invoice", "return_request", "product_question"):
        desk.contact(at("3-14"), reason=reason)
    for reason in ("late", "", None):
        desk.contact(at("3-14"), reason=reason)
    desk.contact(at("3-14"), reason="late_delivery", direction="outbound")
    rate, share = desk.result(RATE), desk.result(SHARE)
    assert rate is not None
    assert share is not None
    assert (rate.value, rate.numerator, rate.n) == (pytest.approx(37.5), 3, 8)
    assert (share.value, share.n, share.left_out) == (0.5, 6, 3)


def test_a_company_says_itself_what_is_preventable(desk: Desk, tmp_path: Path) -> None:
    desk.configure(kpis={"dimensions": ["reason"]})
    desk.order()
    desk.contact(at("3-14"), reason="invoice")
    desk.contact(at("3-14"), reason="late_delivery")
    before = desk.compute(RATE, SHARE)
    assert before.published > 0
    assert [(v.dimension_value, v.value) for v in desk.values(SHARE, "all", by="reason")] == [
        ("invoice", 0),
        ("late_delivery", 1),
    ]
    own = tmp_path / "own.csv"
    own.write_text("reason,answer,preventable\ninvoice,eliminate,yes\n")
    (tmp_path / "cxflow.toml").write_text(
        '[kpis]\nmin_n = 1\ndimensions = ["reason"]\n[kpis.seeds]\ncontact_reasons = "own.csv"\n'
    )
    desk.settings = configuration.load(tmp_path)
    # Nothing is touched: the other table alone makes both computed anew.
    desk.compute(RATE, SHARE)
    assert [(v.value, v.n, v.left_out) for v in desk.values(SHARE, "all")] == [(1, 1, 1)]
    # The path is the same, what stands there is not.
    own.write_text("reason,answer,preventable\ninvoice,automate,no\nlate_delivery,automate,no\n")
    desk.compute(RATE, SHARE)
    assert [(v.value, v.n, v.left_out) for v in desk.values(SHARE, "all")] == [(0, 2, 0)]
    assert [v.value for v in desk.values(RATE, "all")] == [0]


@pytest.mark.parametrize("kpi", [RATE, SHARE])
def test_nothing_and_contacts_without_a_reason(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None
    desk.contact(at("3-14"))
    desk.order()
    found = desk.result(kpi)
    assert (found and found.value) == (0 if kpi == RATE else None)
