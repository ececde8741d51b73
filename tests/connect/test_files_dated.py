"""The day in a file's name: it begins and ends in its own zone, and nothing in the file is later than its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from file_source import Drop

from cxflow.testing.project import TestProject

INSTANT = timedelta(microseconds=1)


def project(
    folder: Path, day: str, happened: str, zone: str | None, project_zone: str = "UTC", **more: Any
) -> TestProject:
    """A project over one file of a day, with one review."""
    (folder / f"{day}.csv").write_text(f"id,happened\n1,{happened}\n", encoding="utf-8")
    review = {"review_id": "id", "date_published": "happened"}
    stream = {"path": "{date}.csv", "primary_key": ["id"], "to": {"review": review}, **more}
    table = {"connector": "files", "streams": {"reviews": stream}} | ({"timezone": zone} if zone else {})
    return TestProject(
        folder,
        {
            "project": {"timezone": project_zone},
            "quality": {"max_rejected_share": 1.0, "future_tolerance_seconds": 0},
            "connections": {"shop": table},
        },
    )


@pytest.mark.parametrize(
    ("happened", "zone", "project_zone"),
    [
        # On this day Madrid puts its clocks back: 23:30 is 24 and a half hours after its midnight.
        ("2026-10-25T23:30:00+01:00", "Europe/Madrid", "UTC"),
        ("2026-10-25T23:30:00+01:00", None, "Europe/Madrid"),
        ("2026-10-25T23:30:00", "Europe/Madrid", "America/Los_Angeles"),
        # 20:30 in Los Angeles is 03:30 of the next day in UTC.
        ("2026-10-25T20:30:00-07:00", None, "America/Los_Angeles"),
        ("2026-10-25T23:59:59-07:00", None, "America/Los_Angeles"),
    ],
)
def test_the_last_hours_of_a_day_are_not_in_its_future(
    tmp_path: Path, happened: str, zone: str | None, project_zone: str
) -> None:
    shop = project(tmp_path, "2026-10-25", happened, zone, project_zone)
    counts = shop.run()["shop.reviews"].counts
    assert (counts.inserted, counts.quarantined) == (1, 0)


@pytest.mark.parametrize(
    ("happened", "zone"),
    [("2026-10-26T00:00:00+01:00", "Europe/Madrid"), ("2026-10-26T00:00:01-07:00", "America/Los_Angeles")],
)
def test_the_day_after_is_in_its_future(tmp_path: Path, happened: str, zone: str) -> None:
    shop = project(tmp_path, "2026-10-25", happened, None, zone)
    assert shop.run()["shop.reviews"].rules == {"time_not_in_future": 1}


def test_times_without_a_zone_are_not_those_of_the_project(tmp_path: Path) -> None:
    shop = project(tmp_path, "2026-10-25", "2026-10-25T12:00:00Z", None, "America/Los_Angeles")
    shop.run()
    (tmp_path / "2026-10-26.csv").write_text("id,happened\n2,2026-10-26T12:00:00\n", encoding="utf-8")
    report = shop.run()["shop.reviews"]  # a time without a zone has none, whatever the project's is
    assert (report.counts.inserted, report.counts.quarantined) == (0, 1)


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Madrid", datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 10, 25, 7, tzinfo=UTC), datetime(2026, 10, 26, 7, tzinfo=UTC)),
        ("UTC", datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)),
    ],
)
def test_a_window_selects_a_day_by_its_start_and_its_records_are_delivered_at_its_end(
    drop: Drop, zone: str, first: datetime, last: datetime
) -> None:
    drop.write("2026-10-25.csv", "id\n1\n")
    drop.write("2026-10-25.jsonl", '{"id": 2}\n')
    path, connection = "{date}.csv", {"timezone": zone}
    found = drop.land(path, start=first, end=first + INSTANT, connection=connection)
    assert found.received == [last - INSTANT]
    assert drop.land(path, start=first + INSTANT, connection=connection).ids == []
    assert drop.land(path, end=first, connection=connection).ids == []
    lines = drop.land("{date}.jsonl", start=first, end=first + INSTANT, connection=connection)
    assert lines.received == [last - INSTANT]


def test_days_and_files_in_one_batch_or_two_have_the_same_time_of_delivery(drop: Drop) -> None:
    for day in ("2026-10-24", "2026-10-25", "9999-12-31"):
        drop.write(f"{day}.csv", f"id\n{day}\n")
    at = dict(zip(*(lambda found: (found.ids, found.received))(drop.land("{date}.csv")), strict=True))
    assert at == {
        "2026-10-24": datetime(2026, 10, 25, tzinfo=UTC) - INSTANT,
        "2026-10-25": datetime(2026, 10, 26, tzinfo=UTC) - INSTANT,
    }
    alone = drop.land("{date}.csv", start=datetime(2026, 10, 25, tzinfo=UTC))
    assert alone.received == [at["2026-10-25"]]


def test_of_two_days_the_later_one_wins_in_any_order(tmp_path: Path) -> None:
    for order in ((25, 26), (26, 25)):
        folder = tmp_path / str(order[0])
        folder.mkdir()
        shop = project(
            folder,
            "2026-10-24",
            "2026-10-20T10:00:00Z",
            "Europe/Madrid",
            policies={"duplicate_key": "latest"},
        )
        for day in order:
            (folder / f"2026-10-{day}.csv").write_text(
                f"id,happened\n1,2026-10-{day}T08:00:00Z\n", encoding="utf-8"
            )
            shop.run()
        assert shop.rows("review", "date_published") == [(datetime(2026, 10, 26, 8, tzinfo=UTC),)]
