"""sla_breach_rate and its two parts: who was answered or solved too late, by calendar and business minutes."""

from __future__ import annotations

from typing import Any

import interval_by_hand
import pytest
from kpi_desk import Desk, at

from cxflow.kpis import status

OFFICE = {"timezone": "UTC", "hours": {"monday-friday": ["09:00-17:00"]}}
KPIS = ("sla_breach_rate", "first_reply_sla_breach_rate", "resolution_sla_breach_rate")

# Opened on Friday, 14 March, at 10:00; replied to and solved. Targets: an hour and eight hours.
TEN: list[tuple[str | None, str | None]] = [
    ("3-14 10:30", "3-14 12:00"),
    ("3-14 11:00", "3-14 18:00"),  # both on the last minute
    ("3-14 11:01", "3-14 12:00"),  # a late reply
    ("3-14 10:30", "3-14 18:01"),  # a late solution
    ("3-14 12:00", "3-15 12:00"),  # both late
    (None, "3-14 10:45"),  # solved without a reply, in time for one
    (None, "3-14 12:00"),  # solved without a reply, when one was overdue
    (None, None),  # neglected
    ("3-14 10:30", None),  # answered, and still open
    ("3-14 10:59", "3-14 11:00"),
]


def agreed(desk: Desk, **sla: Any) -> None:
    desk.configure(kpis={"sla": {"first_reply_minutes": 60, "resolution_minutes": 480, **sla}})


def put(desk: Desk) -> None:
    for replied, solved in TEN:
        times = {"first_reply_at": replied and at(replied), "last_solved_at": solved and at(solved)}
        desk.case(at("3-14 10:00"), **times, first_solved_at=times["last_solved_at"])


@pytest.mark.parametrize(("kpi", "late"), [*zip(KPIS, (6, 4, 4), strict=True)])
def test_late_and_neglected_cases_are_breaches(desk: Desk, kpi: str, late: int) -> None:
    # Late replies: the third, the fifth, the seventh, the eighth. Late solutions: 4, 5, 8, 9. Either: 3 4 5 7 8 9.
    agreed(desk)
    put(desk)
    desk.case(
        at("3-16"), first_reply_at=at("3-16"), last_solved_at=at("3-16")
    )  # tells how far the source is known
    desk.compute(kpi)
    [value] = [value for value in desk.values(kpi, "day") if value.period_start.day == 14]
    assert (value.numerator, value.n, value.left_out) == (late, 10, 0)
    assert (value.ci_low, value.ci_high) == pytest.approx(interval_by_hand.share(late, 10))


def test_who_may_still_be_in_time_counts_neither_way(desk: Desk) -> None:
    agreed(desk)
    desk.case(at("3-14 10:00"), first_reply_at=at("3-14 10:05"), last_solved_at=at("3-14 10:10"))
    desk.case(at("3-14 10:00"))
    desk.case(at("3-14 11:30"))
    desk.compute(*KPIS)
    # Known up to 11:30: an hour is over for the first two, eight hours for nobody.
    found = {kpi: [(v.numerator, v.n, v.left_out) for v in desk.values(kpi, "all")] for kpi in KPIS}
    none = [(None, 0, 3)]
    assert found == {KPIS[0]: none, KPIS[1]: [(1, 2, 1)], KPIS[2]: none}
    # A later event of the source ends the time of all, though nothing of their day changed.
    desk.case(at("3-15 12:00"))
    desk.compute(*KPIS)
    for kpi, late in zip(KPIS, (2, 2, 2), strict=True):
        [value] = [value for value in desk.values(kpi, "day") if value.period_start.day == 14]
        assert (value.numerator, value.n) == (late, 3)


def test_priorities_have_targets_of_their_own(desk: Desk) -> None:
    # An hour and eight hours; urgent: a quarter of an hour, and eight hours.
    agreed(desk, priorities={"Urgent": {"first_reply_minutes": 15}})
    for priority in ("urgent", "URGENT ", "low", None):
        desk.case(at("3-14 10:00"), first_reply_at=at("3-14 10:30"), priority=priority)
    desk.case(at("3-15 10:00"), first_reply_at=at("3-15 10:00"))
    kpi = "first_reply_sla_breach_rate"
    desk.compute(kpi)
    [value] = [value for value in desk.values(kpi, "day") if value.period_start.day == 14]
    assert (value.numerator, value.n) == (2, 4)
    by_priority = {v.dimension_value: v.value for v in desk.values(kpi, "month", "priority")}
    assert by_priority == {"urgent": 1, "URGENT ": 1, "low": 0}


def test_a_case_whose_priority_has_no_target_is_left_out(desk: Desk) -> None:
    desk.configure(kpis={"sla": {"priorities": {"urgent": {"first_reply_minutes": 15}}}})
    for priority in ("urgent", "low", None):
        desk.case(at("3-14 10:00"), first_reply_at=at("3-14 10:30"), priority=priority)
    value = desk.result("first_reply_sla_breach_rate")
    assert value is not None
    assert (value.value, value.n, value.left_out) == (1, 1, 2)


def test_in_business_minutes_the_night_breaks_no_agreement(desk: Desk) -> None:
    """Friday, 16:30, to Monday, 9:30, is an hour of work: in time. Monday, 9:31, is late. A case of Friday, 16:45, is
    not over before Monday, 9:45, and one of a source without a calendar is left out."""
    desk.configure(
        kpis={"sla": {"first_reply_minutes": 60, "clock": "business"}},
        calendars={"office": OFFICE},
        connections={"shop": {"connector": "files", "calendar": "office"}},
    )
    for replied in ("3-17 09:30", "3-17 09:31"):
        desk.case(at("3-14 16:30"), first_reply_at=at(replied))
    desk.case(at("3-14 16:45"))
    desk.case(at("3-14 16:45"), source_system="desk")
    kpi = "first_reply_sla_breach_rate"
    desk.compute(kpi)
    [day] = [value for value in desk.values(kpi, "day") if value.period_start.day == 14]
    assert (day.numerator, day.n, day.left_out) == (1, 2, 2)
    desk.case(at("3-17 09:45"))
    desk.compute(kpi)
    [day] = [value for value in desk.values(kpi, "day") if value.period_start.day == 14]
    assert (day.numerator, day.n, day.left_out) == (2, 3, 1)


def test_without_a_target_it_says_so(desk: Desk) -> None:
    put(desk)
    desk.configure(kpis={"sla": {"resolution_minutes": 480}})
    desk.compute(*KPIS)
    found = status.read(desk.connection)
    assert found["first_reply_sla_breach_rate"] == (
        "no events",
        "no target: set first_reply_minutes in [kpis.sla]",
    )
    assert found["sla_breach_rate"].status == "computed"
    desk.configure(kpis={"sla": {"resolution_minutes": 480, "clock": "business"}})
    desk.compute("resolution_sla_breach_rate")
    assert [v.n for v in desk.values("resolution_sla_breach_rate", "all")] == [0]


def test_one_case_and_none(desk: Desk) -> None:
    agreed(desk)
    kpi = "sla_breach_rate"
    assert desk.result(kpi) is None
    desk.case(at("3-14 10:00"))
    assert desk.result(kpi) is None
    desk.case(at("3-14 10:00"), first_reply_at=at("3-14 10:00"), last_solved_at=at("3-14 18:00"))
    one = desk.result(kpi)
    assert one is not None
    assert (one.numerator, one.n) == (1, 2)
