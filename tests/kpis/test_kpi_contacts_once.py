"""support_contacts, contact_rate, preventable_share: a contact that two sources saw is one, by a declared link."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from kpi_desk import Desk, at
from sqlalchemy import update

from cxflow.warehouse.tables import touchpoint

SEVEN: dict[str, Any] = {"case_id": "desk:7"}
TALK: dict[str, Any] = {"conversation_id": "phone:1"}


def put(desk: Desk) -> None:
    """Eight contacts in twelve rows, two of which lie on 15 March."""
    desk.contact(at("3-14 10:00"), "ana", source_system="phone", **SEVEN)
    desk.contact(at("3-14 10:10"), "ana", reason="late_delivery", **SEVEN)  # the ticket of that call
    desk.contact(at("3-14 12:00"), "ana", source_system="phone", **SEVEN)  # asks again: a second contact
    desk.contact(at("3-14 14:00"), "ben", **TALK)
    desk.contact(at("3-14 14:55"), "ben", **TALK)
    desk.contact(at("3-14 15:50"), "ben", **TALK)  # each goes on within the hour: one conversation
    desk.contact(at("3-14 23:50"), "eva", case_id="desk:8")
    desk.contact(at("3-15 00:10"), "eva", case_id="desk:8")  # one, of the 14th
    desk.contact(at("3-14 10:00"), "fay")
    desk.contact(at("3-14 10:05"), "fay")  # without a link, two
    desk.contact(at("3-15 10:00"), "gil", case_id="desk:9")
    desk.contact(at("3-15 11:00:01"), "gil", case_id="desk:9")  # a second after the hour: two


def test_what_is_linked_and_near_is_one_contact(desk: Desk) -> None:
    put(desk)
    desk.contact(at("3-14 12:10"), None, direction="outbound", **SEVEN)
    desk.touchpoint(at("3-14 12:10"), activity="wrote_review", **SEVEN)
    for _ in range(4):
        desk.order(at("3-14"))
    desk.compute("support_contacts", "contact_rate")
    assert [(v.period_start.day, v.value) for v in desk.values("support_contacts", "day")] == [
        (14, 6),
        (15, 2),
    ]
    [rate] = desk.values("contact_rate", "all")
    assert (rate.value, rate.numerator, rate.n) == (pytest.approx(200), 8, 4)


def test_how_near_is_a_setting(desk: Desk) -> None:
    desk.configure(kpis={"same_contact_minutes": 15})
    put(desk)
    # Only the ticket of ana's call is near enough: of twelve rows, eleven.
    desk.compute("support_contacts")
    assert [v.value for v in desk.values("support_contacts", "all")] == [11]


def test_a_part_that_comes_late_takes_the_contact_back(desk: Desk) -> None:
    """The ticket of the 15th was counted before its call of the 14th came, alone."""
    desk.order(at("3-10"))
    desk.contact(at("3-15 00:10"), "eva", case_id="desk:8")
    desk.compute("support_contacts", "contact_rate")
    desk.contact(at("3-14 23:50"), "eva", case_id="desk:8", source_system="phone")
    desk.compute("support_contacts", "contact_rate")
    days = {v.period_start: (v.value, v.n) for v in desk.values("support_contacts", "day")}
    assert days == {date(2025, 3, 14): (1, 1), date(2025, 3, 15): (None, 0)}
    assert [(v.numerator, v.n) for v in desk.values("contact_rate", "all")] == [(1, 1)]
    # The call is gone again: the ticket is a contact of its own.
    desk.connection.execute(
        update(touchpoint).where(touchpoint.c.source_system == "phone").values(is_deleted=True)
    )
    desk.touch(touchpoint, date(2025, 3, 14))
    desk.compute("support_contacts")
    assert [v.period_start.day for v in desk.counted("support_contacts", "day")] == [15]


def test_the_reason_is_that_of_the_part_that_knows_it(desk: Desk) -> None:
    """The telephone system does not ask; the ticket says late_delivery, which is preventable. Gil's contacts have no
    reason: left out."""
    put(desk)
    desk.compute("preventable_share")
    [share] = desk.values("preventable_share", "all")
    assert (share.value, share.n, share.left_out) == (1, 1, 7)


def test_none_and_one(desk: Desk) -> None:
    assert desk.result("support_contacts") is None
    desk.contact(at("3-14"))
    one = desk.result("support_contacts")
    assert one is not None
    assert (one.value, one.n) == (1, 1)
