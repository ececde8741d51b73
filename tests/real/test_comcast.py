"""Complaints about a telecom company: counts against the file itself."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from real_project import RealProject
from real_sets import COMCAST, rows_of

FILE = COMCAST.files["complaints.tickets"]
NEW_ENGLAND_AND_NEW_JERSEY = {
    "Connecticut", "Maine", "Massachusetts", "New Hampshire", "New Jersey", "Rhode Island", "Vermont",
}  # fmt: skip
"""Where ZIP codes begin with a zero."""

Ticket = dict[str, str]


@pytest.fixture(scope="module")
def tickets(real_data: Path) -> list[Ticket]:
    header, *rows = rows_of(real_data / FILE)
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


def test_the_byte_order_mark_is_no_part_of_the_first_name(comcast: RealProject, real_data: Path) -> None:
    assert (real_data / FILE).read_bytes().startswith(b"\xef\xbb\xbf")
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


def test_the_day_begins_at_twelve_in_the_morning(comcast: RealProject, tickets: list[Ticket]) -> None:
    first_hour = sum(each["Time"].startswith("12:") and each["Time"].endswith("AM") for each in tickets)
    assert first_hour == 59
    assert comcast.row("SELECT count(*) FROM touchpoint WHERE hour(timezone('UTC', occurred_at)) = 0") == (
        59,
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


def test_june_has_the_most_complaints(comcast: RealProject, tickets: list[Ticket]) -> None:
    found = comcast.rows(
        "SELECT strftime(timezone('UTC', opened_at), '%m-%y'), count(*) FROM support_case GROUP BY 1"
    )
    expected = Counter(each["Date"][3:] for each in tickets)
    assert dict(found) == expected
    assert expected.most_common(1) == [("06-15", 1046)]


def test_a_zip_code_lands_as_it_is_written(comcast: RealProject, tickets: list[Ticket]) -> None:
    landed = comcast.rows(
        f"""SELECT "Ticket #", "Zip code" FROM read_parquet('{comcast.folder}/landing/**/part-*.parquet')"""
    )
    assert set(landed) == {(each["Ticket #"], each["Zip code"]) for each in tickets}
    short = [each["State"] for each in tickets if len(each["Zip code"]) == 4]
    assert len(short) == 170
    assert sum(state in NEW_ENGLAND_AND_NEW_JERSEY for state in short) == 169


def test_nobody_is_made_up(comcast: RealProject) -> None:
    assert comcast.row("SELECT count(*) FROM customer") == (0,)
    assert comcast.row("SELECT count(*) FROM touchpoint WHERE customer_id IS NOT NULL") == (0,)
    assert comcast.row("SELECT count(first_solved_at), count(last_solved_at) FROM support_case") == (0, 0)
