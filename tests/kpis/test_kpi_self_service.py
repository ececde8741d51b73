"""deflection_rate."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from kpi_desk import FIRST, Desk, at
from sqlalchemy import insert, update

from cxflow.kpis import left_out
from cxflow.warehouse.tables import stream_state, touchpoint

DESK = {"connector": "jsonl", "path": "desk"}


def visit(desk: Desk, when: datetime, customer: str | None, activity: str = "read_help_page") -> None:
    desk.touchpoint(when, activity=activity, customer_id=customer)


def contacts(desk: Desk, source: str, *contacts: tuple[datetime, str], **columns: Any) -> None:
    for when, customer in contacts:
        desk.contact(when, customer, source_system=source, **columns)


def deliver(desk: Desk, source: str, until: datetime) -> None:
    """Note that a source is delivered up to an instant."""
    t = stream_state.c
    known = {"cursor": "", "known_until": until, "raw_columns": "{}", "run_id": "run", "updated_at": FIRST}
    changed = desk.connection.execute(update(stream_state).where(t.source_system == source).values(known))
    if not changed.rowcount:
        new = {"source_system": source, "source_object": "contacts", **known}
        desk.connection.execute(insert(stream_state), [new])


def judged(desk: Desk) -> tuple[float, int] | None:
    """Deflected visits and judged ones."""
    rate = desk.result("deflection_rate")
    return None if rate is None or rate.numerator is None else (rate.numerator, rate.n)


def test_a_visit_is_deflected_unless_a_contact_follows_within_seven_days(desk: Desk) -> None:
    desk.configure(connections={"desk": DESK})
    visit(desk, at("3-01"), "ana")
    visit(desk, at("3-01 12:50"), "ana", "asked_bot")  # the same visit
    visit(desk, at("3-01"), "ben")  # contact after seven days to the second
    visit(desk, at("3-01"), "eva")  # contact a minute later than that
    visit(desk, at("3-02"), "fay", "asked_bot")  # contact at the same instant
    visit(desk, at("3-03"), "gil")  # contact before
    visit(desk, at("3-24"), "hal")  # the desk is not delivered far enough
    visit(desk, at("3-23"), "ida")  # just far enough
    visit(desk, at("3-03"), None)  # nobody knows whether they called
    contacts(desk, "desk", (at("3-08"), "ben"), (at("3-08 12:01"), "eva"), (at("3-02"), "fay"))
    contacts(desk, "desk", (at("3-01"), "gil"), (at("3-04"), "gil"))
    deliver(desk, "desk", at("3-30"))
    assert judged(desk) == (3, 5)  # ana, eva, ida of these, ben and fay
    reasons = left_out.reasons(desk.connection, ["deflection_rate"], "all")
    assert {each.reason: each.events for each in reasons} == {
        "in contact already": 1,
        "repeat days not over": 1,
        "without a customer": 1,
    }


def test_another_page_within_the_hour_is_the_same_visit_and_a_later_one_is_another(desk: Desk) -> None:
    # 12:00, 13:00 and 14:00 are one visit, 15:01 another: both before the contact, so none is deflected.
    for clock in ("12:00", "13:00", "14:00", "15:01"):
        visit(desk, at(f"3-01 {clock}"), "ana")
    visit(desk, at("3-01 12:00"), "ben")
    visit(desk, at("3-01 12:00"), "ben", "asked_bot")  # of one instant: one visit
    contacts(desk, "desk", (at("3-02"), "ana"), (at("3-20"), "eva"))
    assert judged(desk) == (1, 3)


def test_a_visit_after_the_days_of_a_contact_counts_again(desk: Desk) -> None:
    contacts(desk, "desk", (at("3-01"), "ana"))
    visit(desk, at("3-08"), "ana")  # seven days to the second after it
    assert judged(desk) is None
    visit(desk, at("3-08 13:30"), "ana")
    assert judged(desk) == (1, 1)


@pytest.mark.parametrize(
    "column", [{"direction": "outbound"}, {"is_deleted": True}, {"activity": "wrote_review"}]
)
def test_what_is_no_support_contact_of_the_customer_spoils_nothing(
    desk: Desk, column: dict[str, Any]
) -> None:
    visit(desk, at("3-01"), "ana")
    contacts(desk, "desk", (at("3-02"), "ana"), **column)
    contacts(desk, "desk", (at("3-02"), "ben"))
    assert judged(desk) == (1, 1)


def test_without_any_support_contact_nothing_is_judged(desk: Desk) -> None:
    assert judged(desk) is None
    visit(desk, at("3-01"), "ana")
    assert judged(desk) is None
    contacts(desk, "desk", (at("2-01"), "ben"))
    assert judged(desk) == (1, 1)  # the first contact releases all visits, those of other days too


def test_a_source_that_is_behind_holds_the_visits_back_until_it_has_caught_up(desk: Desk) -> None:
    desk.configure(connections={"desk": DESK, "calls": DESK})
    visit(desk, at("3-01"), "ana")
    visit(desk, at("3-10"), "ben")
    contacts(desk, "desk", (at("2-01"), "eva"))
    contacts(desk, "calls", (at("2-01"), "fay"))
    deliver(desk, "desk", at("3-30"))
    deliver(desk, "calls", at("3-10"))
    assert judged(desk) == (1, 1)
    # The calls are loaded: ben had called.
    contacts(desk, "calls", (at("3-11"), "ben"))
    deliver(desk, "calls", at("3-30"))
    assert judged(desk) == (1, 2)


def test_a_delivery_without_a_contact_releases_visits_too(desk: Desk) -> None:
    desk.configure(connections={"desk": DESK})
    contacts(desk, "desk", (at("2-01"), "eva"))
    visit(desk, at("3-10"), "ben")
    deliver(desk, "desk", at("3-10"))
    assert judged(desk) is None
    deliver(desk, "desk", at("3-20"))  # no row of any day has changed
    assert judged(desk) == (1, 1)


def test_a_source_that_ended_or_is_not_configured_any_more_holds_nothing_back(desk: Desk) -> None:
    desk.configure(connections={"desk": DESK, "calls": DESK})
    visit(desk, at("3-10"), "ben")
    contacts(desk, "desk", (at("3-30"), "eva"))
    contacts(desk, "calls", (at("2-01"), "fay"))
    assert judged(desk) is None  # nobody knows how far calls are delivered: up to the newest
    desk.configure(connections={"desk": DESK, "calls": {**DESK, "ended": True}})
    assert judged(desk) == (1, 1)
    desk.configure(connections={"desk": DESK, "calls": DESK})
    assert judged(desk) is None
    desk.configure(connections={"desk": DESK})
    assert judged(desk) == (1, 1)


def test_the_order_and_the_portions_of_loads_change_nothing(desk: Desk) -> None:
    """Against the definition, customer by customer in Python."""
    desk.configure(connections={"desk": DESK, "calls": DESK})
    draw = random.Random(5)
    start = at("1-01 00:00")
    rows = [
        (
            start + timedelta(minutes=30 * draw.randrange(48 * 60)),
            draw.choice("abcdefgh"),
            draw.choice(("visit", "visit", "desk", "calls")),
        )
        for _ in range(160)
    ]
    week, hour = timedelta(days=7), timedelta(hours=1)
    until = min(max(at for at, _, kind in rows if kind == source) for source in ("desk", "calls"))
    deflected = total = 0
    for customer in "abcdefgh":
        asked = sorted(at for at, who, kind in rows if who == customer and kind != "visit")
        looked = sorted(at for at, who, kind in rows if who == customer and kind == "visit")
        begins = [at for number, at in enumerate(looked) if not number or at - looked[number - 1] > hour]
        for at_ in begins:
            was_asked = any(timedelta(0) < at_ - each <= week for each in asked)
            if was_asked or until - at_ < week:
                continue
            total += 1
            deflected += not any(timedelta(0) <= each - at_ <= week for each in asked)
    assert 0 < deflected < total

    draw.shuffle(rows)
    for first in range(0, len(rows), 40):
        for when, customer, kind in rows[first : first + 40]:
            if kind == "visit":
                visit(desk, when, customer)
            else:
                contacts(desk, kind, (when, customer))
        desk.compute("deflection_rate")
    assert judged(desk) == (deflected, total)
    by_day = [(v.period_start, v.numerator, v.n) for v in desk.counted("deflection_rate", "day")]
    desk.compute("deflection_rate", everything=True)
    assert by_day == [(v.period_start, v.numerator, v.n) for v in desk.counted("deflection_rate", "day")]
    assert sum(n for *_, n in by_day) == total


def test_a_contact_that_is_deleted_later_gives_the_visit_back(desk: Desk) -> None:
    visit(desk, at("3-01"), "ana")
    contacts(desk, "desk", (at("3-04"), "ana"), (at("3-20"), "ben"))
    assert judged(desk) == (0, 1)
    gone = update(touchpoint).where(
        touchpoint.c.customer_id == "ana", touchpoint.c.activity == "called_support"
    )
    desk.connection.execute(gone.values(is_deleted=True))
    desk.touch(touchpoint, at("3-04").date())
    assert judged(desk) == (1, 1)
