"""contact_rate, first_contact_resolution, repeat_contact_rate_7d."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from kpi_desk import Desk, at
from sqlalchemy import Row, select, update

from cxflow.kpis import days
from cxflow.warehouse.tables import kpi_day, support_case


def test_contact_rate_is_support_contacts_per_100_orders(desk: Desk) -> None:
    # 3 support contacts (phone, e-mail, complaint) to 8 orders, a cancelled one among them: 37.5 per 100.
    # Garwood for 3: 0.6187 to 8.7673, times 100 / 8: 7.733 to 109.591.
    for _ in range(7):
        desk.order()
    desk.order(is_cancelled=True)
    desk.contact(at("3-14"))
    desk.contact(at("3-14"), activity="contacted_support", direction="inbound", channel="email")
    desk.contact(at("3-14"), activity="filed_complaint", channel="web")
    desk.contact(at("3-14"), direction="outbound")
    desk.contact(at("3-14"), is_deleted=True)
    desk.touchpoint(at("3-14"), activity="wrote_review")
    rate = desk.result("contact_rate")
    assert rate is not None
    assert (rate.value, rate.numerator, rate.n) == (pytest.approx(37.5), 3, 8)
    assert (rate.ci_low, rate.ci_high) == (pytest.approx(7.733, abs=5e-4), pytest.approx(109.591, abs=5e-4))


def test_a_month_without_contacts_has_a_rate_of_zero_with_an_upper_end(desk: Desk) -> None:
    # Garwood for 0: 0 to −ln 0.025 = 3.6889, times 100 / 4.
    desk.contact(at("2-01"))
    for _ in range(4):
        desk.order()
    desk.compute("contact_rate")
    [_, rate] = desk.values("contact_rate")
    assert (rate.value, rate.ci_low, rate.ci_high) == (0, 0, pytest.approx(92.222, abs=5e-4))


def test_contacts_without_orders_have_no_rate(desk: Desk) -> None:
    assert desk.result("contact_rate") is None
    desk.contact(at("3-14"))
    assert desk.result("contact_rate") is None
    desk.order(at("2-14"))
    desk.compute("contact_rate")
    assert [(v.value, v.n, v.numerator) for v in desk.values("contact_rate")] == [(0, 1, 0), (None, 0, 1)]


def test_contact_rate_is_sliced_by_the_customers_segment_only(desk: Desk) -> None:
    desk.customer("ana", "gold")
    desk.order(customer_id="ana")
    desk.order(customer_id="ana")
    desk.contact(at("3-14"), "ana")
    desk.order(customer_id="ben")
    desk.compute("contact_rate")
    assert [(v.dimension_value, v.value) for v in desk.values("contact_rate", by="segment")] == [("gold", 50)]
    assert desk.values("contact_rate", by="channel") == []


def test_a_contact_is_resolved_unless_repeated_on_its_reason_within_seven_days(desk: Desk) -> None:
    # The newest contact, 3-30, is the horizon: contacts up to 3-23 12:00 are judged.
    desk.contact(at("3-01"), "ana", reason="late")  # repeated on 3-05
    desk.contact(at("3-05"), "ana", reason="late")  # next one is 3-13, 8 days later: resolved
    desk.contact(at("3-13"), "ana", reason="late")  # resolved
    desk.contact(at("3-14"), "ana", reason="broken")  # another reason: resolved
    desk.contact(at("3-02"), "ben")  # repeated on 3-09 at the same hour: 7 days to the second still count
    desk.contact(at("3-09"), "ben")  # resolved; no reason is one reason
    desk.contact(at("3-10"), "eva", reason="late")  # somebody else: resolved
    desk.contact(at("3-10"), None, reason="late")  # nobody knows who: not judged
    desk.contact(at("3-23"), "fay", reason="late")  # the last one judged: resolved
    desk.contact(at("3-23 12:01"), "gil", reason="late")  # not judged yet
    desk.contact(at("3-30"), "hal", reason="late")  # not judged yet
    fcr = desk.result("first_contact_resolution")
    assert fcr is not None
    # Resolved: ana 3, ben 1, eva 1, fay 1 = 6 of 8.
    assert (fcr.numerator, fcr.n, fcr.value) == (6, 8, 0.75)


def test_contacts_of_one_instant_do_not_repeat_each_other(desk: Desk) -> None:
    for _ in range(3):
        desk.contact(at("3-01"), "ana")
    desk.contact(at("3-20"), "ben")
    fcr = desk.result("first_contact_resolution")
    assert fcr is not None
    assert (fcr.numerator, fcr.n) == (3, 3)
    desk.contact(at("3-02"), "ana")
    fcr = desk.result("first_contact_resolution")
    assert fcr is not None
    assert (fcr.numerator, fcr.n) == (1, 4)


def test_a_single_contact_or_only_unknown_customers_are_not_judged(desk: Desk) -> None:
    assert desk.result("first_contact_resolution") is None
    desk.contact(at("3-01"), "ana")
    assert desk.result("first_contact_resolution") is None
    desk.contact(at("2-01"), None)
    assert desk.result("first_contact_resolution") is None


def test_the_repeat_days_are_a_setting(desk: Desk) -> None:
    desk.configure(kpis={"repeat_contact_days": 0.5})
    desk.contact(at("3-01 08:00"), "ana")
    desk.contact(at("3-01 20:01"), "ana")
    desk.contact(at("3-03"), "ben")
    fcr = desk.result("first_contact_resolution")
    assert fcr is not None
    assert fcr.value == 1


def test_a_contact_after_a_quiet_month_judges_those_before_it(desk: Desk) -> None:
    desk.contact(at("1-10"), "ana")
    desk.contact(at("1-12"), "ben")
    assert desk.result("first_contact_resolution") is None
    desk.contact(at("2-20"), "eva")
    desk.compute("first_contact_resolution")
    assert [(v.period_start.day, v.n) for v in desk.counted("first_contact_resolution", "day")] == [
        (10, 1),
        (12, 1),
    ]


def answered_call(desk: Desk, when: datetime, customer: str, **columns: Any) -> None:
    id_ = desk.contact(when, customer, **columns)
    desk.call(touchpoint_id=id_, offered_at=when, answered_at=when)


def abandoned_call(desk: Desk, when: datetime, customer: str, **columns: Any) -> None:
    id_ = desk.contact(when, customer, **columns)
    desk.call(touchpoint_id=id_, offered_at=when, abandoned_at=when)


def ticket(desk: Desk, when: datetime, customer: str, replied: datetime | None, **columns: Any) -> None:
    id_ = desk.contact(when, customer, activity="contacted_support", channel="email", **columns)
    desk.case(when, touchpoint_id=id_, first_reply_at=replied)


def test_what_nobody_answered_is_not_resolved(desk: Desk) -> None:
    # Ten tickets, of which nine never got a reply, and ten abandoned calls: one of twenty.
    for number in range(10):
        ticket(desk, at("3-01"), f"t{number}", at("3-02") if number == 0 else None)
        abandoned_call(desk, at("3-01"), f"c{number}")
    desk.contact(at("3-20"), "last")
    fcr, repeats = desk.result("first_contact_resolution"), desk.result("repeat_contact_rate_7d")
    assert fcr is not None
    assert repeats is not None
    assert (fcr.numerator, fcr.n) == (1, 20)
    assert (repeats.numerator, repeats.n) == (0, 20)


def test_a_reply_that_comes_late_resolves_its_ticket(desk: Desk) -> None:
    ticket(desk, at("3-01"), "ana", None)
    desk.contact(at("3-20"), "last")
    desk.compute("first_contact_resolution")
    assert [v.value for v in desk.counted("first_contact_resolution")] == [0]
    desk.connection.execute(update(support_case).values(first_reply_at=at("3-20")))
    desk.touch(support_case, at("3-01").date(), at("3-20").date())
    desk.compute("first_contact_resolution")
    assert [v.value for v in desk.counted("first_contact_resolution")] == [1]


def test_an_abandoned_call_that_was_tried_again_is_part_of_the_next_one(desk: Desk) -> None:
    # ana: abandoned, then answered: one contact, resolved. ben: answered on the 1st, abandoned and answered on the 3rd:
    # the first is repeated, the abandoned one is part of the next, which is resolved. eva's abandoned one has no
    # reason: it is part of the next, whatever its reason.
    abandoned_call(desk, at("3-01 10:00"), "ana", reason="late")
    answered_call(desk, at("3-01 10:05"), "ana", reason="late")
    answered_call(desk, at("3-01"), "ben", reason="late")
    abandoned_call(desk, at("3-03 10:00"), "ben", reason="late")
    answered_call(desk, at("3-03 10:05"), "ben", reason="late")
    abandoned_call(desk, at("3-01"), "eva")
    answered_call(desk, at("3-02"), "eva", reason="broken")
    desk.contact(at("3-20"), "last")
    fcr, repeats = desk.result("first_contact_resolution"), desk.result("repeat_contact_rate_7d")
    assert fcr is not None
    assert repeats is not None
    assert (fcr.numerator, fcr.n) == (3, 4)
    assert (repeats.numerator, repeats.n) == (1, 4)


def test_a_call_and_the_ticket_that_it_opened_are_one_contact(desk: Desk) -> None:
    answered_call(desk, at("3-01 10:00"), "ana", case_id="k1")
    ticket(desk, at("3-01 10:10"), "ana", at("3-02"), case_id="k1")
    desk.contact(at("3-01 11:00"), "ben", conversation_id="v1")
    desk.contact(at("3-05 11:00"), "ben", conversation_id="v1")
    desk.contact(at("3-13 11:00"), "ben", conversation_id="v1")  # after eight days of silence: another one
    desk.contact(at("3-01"), "eva", case_id="k2")
    desk.contact(at("3-02"), "eva", case_id="k3")  # another case: a repeat
    desk.contact(at("3-30"), "last")
    fcr = desk.result("first_contact_resolution")
    assert fcr is not None
    # ana 1 of 1, ben 2 of 2, eva 1 of 2.
    assert (fcr.numerator, fcr.n) == (4, 5)
    assert [(v.period_start.day, v.n) for v in desk.counted("first_contact_resolution", "day")] == [
        (1, 3),
        (2, 1),
        (13, 1),
    ]


def test_an_earlier_message_of_a_case_that_comes_late_takes_its_place(desk: Desk) -> None:
    desk.contact(at("3-05"), "ana", case_id="k1")
    desk.contact(at("3-20"), "last")
    desk.compute("first_contact_resolution")
    desk.contact(at("3-01"), "ana", case_id="k1")
    desk.compute("first_contact_resolution")
    assert [v.period_start.day for v in desk.counted("first_contact_resolution", "day")] == [1]


def test_a_call_is_answered_in_the_queue_of_its_conversation(desk: Desk) -> None:
    for customer, answered in (("ana", at("3-01")), ("ben", None)):
        desk.contact(at("3-01"), customer, conversation_id=customer)
        in_queue = desk.touchpoint(at("3-01"), activity="entered_queue", conversation_id=customer)
        desk.call(touchpoint_id=in_queue, offered_at=at("3-01"), answered_at=answered)
    desk.contact(at("3-20"), "last")
    fcr = desk.result("first_contact_resolution")
    assert fcr is not None
    assert (fcr.numerator, fcr.n) == (1, 2)


def test_each_source_is_judged_as_far_as_it_is_known(desk: Desk) -> None:
    desk.contact(at("3-10"), "ana", source_system="desk")
    desk.contact(at("3-30"), "ben", source_system="phone")
    desk.compute("first_contact_resolution")
    assert desk.counted("first_contact_resolution") == [], "the desk is known up to the 10th"
    desk.contact(at("3-17"), "eva", source_system="desk")
    desk.compute("first_contact_resolution")
    assert [v.period_start.day for v in desk.counted("first_contact_resolution", "day")] == [10]


def test_a_repeat_changes_the_day_of_the_first_contact(desk: Desk) -> None:
    desk.contact(at("3-01"), "ana")
    desk.contact(at("3-20"), "ben")
    desk.compute("first_contact_resolution")
    desk.contact(at("3-07"), "ana")
    desk.compute("first_contact_resolution")
    assert [(v.period_start.day, v.value) for v in desk.counted("first_contact_resolution", "day")] == [
        (1, 0),
        (7, 1),
    ]


def test_a_history_counted_in_pieces_is_that_counted_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repeats reach over the borders of pieces, ties stand at them, and a day before has events of other kinds."""
    lot = random.Random(7)
    for _ in range(300):
        moment = at("1-01") + timedelta(hours=12 * lot.randrange(120))
        customer, reason = lot.choice(["ana", "ben", "eva", None]), lot.choice(["late", None])
        links: dict[str, Any] = {
            "case_id": lot.choice([*[None] * 12, "k1", "k2"]),
            "conversation_id": lot.choice([*[None] * 9, "v1"]),
        }
        id_ = desk.contact(moment, customer, reason=reason, **links)
        if lot.random() < 0.3:
            desk.call(touchpoint_id=id_, offered_at=moment, abandoned_at=moment)
    desk.touchpoint(at("1-01"), activity="wrote_review")
    cells = select(kpi_day).where(kpi_day.c.kpi == "first_contact_resolution")

    def counted() -> list[Row[*tuple[Any, ...]]]:
        desk.compute("first_contact_resolution", everything=True)
        return sorted(desk.connection.execute(cells).all(), key=str)

    whole = counted()
    assert len({row.day for row in whole}) > 40
    monkeypatch.setattr(days, "_AT_ONCE_DAYS", 0)
    for rows in (1, 7, 100):
        monkeypatch.setattr(days, "_AT_ONCE_ROWS", rows)
        assert counted() == whole
