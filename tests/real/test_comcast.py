"""Complaints about a telecom company: counts against the file itself."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from editions import Figure, Source, of_the_slice
from real_project import RealProject
from real_sets import COMCAST, rows_of

STREAM = "complaints.tickets"
NEW_ENGLAND_AND_NEW_JERSEY = {
    "Connecticut", "Maine", "Massachusetts", "New Hampshire", "New Jersey", "Rhode Island", "Vermont",
}  # fmt: skip
"""Where ZIP codes begin with a zero."""

Ticket = dict[str, str]


@pytest.fixture(scope="module")
def tickets(source: Source) -> list[Ticket]:
    header, *rows = rows_of(source(COMCAST, STREAM))
    return [dict(zip(map(str, header), map(str, row), strict=True)) for row in rows]


def filed_at(ticket: Ticket) -> float:
    """Day and hour, read without the letters of strptime that the mapping uses."""
    day, month, year = map(int, ticket["Date"].split("-"))
    clock, half = ticket["Time"].split(" ")
    hour, minute, second = map(int, clock.split(":"))
    at = datetime(
        2000 + year, month, day, hour % 12 + (12 if half == "PM" else 0), minute, second, tzinfo=UTC
    )
    return at.timestamp()


def test_the_byte_order_mark_is_no_part_of_the_first_name(comcast: RealProject, source: Source) -> None:
    assert source(COMCAST, STREAM).read_bytes().startswith(b"\xef\xbb\xbf")
    (landed,) = comcast.row("SELECT raw_columns FROM stream_state")
    assert "\ufeff" not in landed
    assert '"Ticket #"' in landed


def test_both_ways_of_writing_a_day_come_to_the_same(comcast: RealProject, tickets: list[Ticket]) -> None:
    found = comcast.rows(
        "SELECT c.source_record_id, epoch(c.opened_at), epoch(t.occurred_at) "
        "FROM support_case AS c JOIN touchpoint AS t USING (touchpoint_id)"
    )
    expected = [(each["Ticket #"], filed_at(each), filed_at(each)) for each in tickets]
    assert sorted(found) == sorted(expected)


@of_the_slice
def test_a_ticket_is_a_complaint_and_a_case(comcast: RealProject) -> None:
    found = comcast.rows(
        "SELECT c.case_id, strftime(timezone('UTC', t.occurred_at), '%Y-%m-%d %H:%M:%S'), "
        "c.opened_at = t.occurred_at, t.activity, t.channel, c.status, c.reason "
        "FROM touchpoint AS t JOIN support_case AS c USING (touchpoint_id) "
        "WHERE c.source_record_id IN ('900104', '900106', '900111', '900122', '900140') ORDER BY 1"
    )
    filed = (True, "filed_complaint")
    assert [(case.removeprefix("complaints:"), *rest) for case, *rest in found] == [
        ("900104", "2015-02-14 23:59:59", *filed, "web", "Solved", "Slow internet, no answer, no refund"),
        ("900106", "2015-03-09 16:05:06", *filed, "phone", "Closed", 'They call it "unlimited", it is not'),
        # Twelve at night, twelve at noon.
        ("900111", "2015-04-15 00:59:59", *filed, "web", "Open", "Early termination fee"),
        ("900122", "2015-06-05 12:15:15", *filed, "web", "Solved", "Monthly allowance"),
        # 04-08-15 is of August.
        ("900140", "2015-08-04 05:59:59", *filed, "web", "Closed", "Wrong name on the bill"),
    ]


def test_the_day_begins_at_twelve_in_the_morning(
    comcast: RealProject, tickets: list[Ticket], figure: Figure
) -> None:
    first_hour = sum(each["Time"].startswith("12:") and each["Time"].endswith("AM") for each in tickets)
    assert first_hour == figure(real=59, slice=3)
    assert comcast.row("SELECT count(*) FROM touchpoint WHERE hour(timezone('UTC', occurred_at)) = 0") == (
        first_hour,
    )


def test_a_complaint_keeps_its_channel_reason_and_status(comcast: RealProject, tickets: list[Ticket]) -> None:
    channels = {"Customer Care Call": "phone", "Internet": "web"}
    found = comcast.rows(
        "SELECT t.activity, t.channel, c.status, c.reason, count(*) FROM touchpoint AS t "
        "JOIN support_case AS c USING (touchpoint_id) WHERE t.case_id = c.case_id GROUP BY ALL"
    )
    expected = Counter(
        ("filed_complaint", channels[each["Received Via"]], each["Status"], each["Customer Complaint"])
        for each in tickets
    )
    assert {tuple(key): n for *key, n in found} == expected


def test_june_has_the_most_complaints(comcast: RealProject, tickets: list[Ticket], figure: Figure) -> None:
    found = comcast.rows(
        "SELECT strftime(timezone('UTC', opened_at), '%m-%y'), count(*) FROM support_case GROUP BY 1"
    )
    expected = Counter(each["Date"][3:] for each in tickets)
    assert dict(found) == expected
    assert expected.most_common(1) == [("06-15", figure(real=1046, slice=19))]


def test_a_zip_code_lands_as_it_is_written(
    comcast: RealProject, tickets: list[Ticket], figure: Figure
) -> None:
    landed = comcast.rows(
        f"""SELECT "Ticket #", "Zip code" FROM read_parquet('{comcast.folder}/landing/**/part-*.parquet')"""
    )
    assert set(landed) == {(each["Ticket #"], each["Zip code"]) for each in tickets}
    short = [each["State"] for each in tickets if len(each["Zip code"]) == 4]
    # Of the slice in Maine (twice), New Jersey and Vermont; and one in Alabama.
    assert len(short) == figure(real=170, slice=5)
    assert sum(state in NEW_ENGLAND_AND_NEW_JERSEY for state in short) == len(short) - 1


def test_nobody_is_made_up(comcast: RealProject) -> None:
    assert comcast.row("SELECT count(*) FROM customer") == (0,)
    assert comcast.row("SELECT count(*) FROM touchpoint WHERE customer_id IS NOT NULL") == (0,)
    assert comcast.row("SELECT count(first_solved_at), count(last_solved_at) FROM support_case") == (0, 0)
