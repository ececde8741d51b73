"""Scheduled runs read what is new, once; backfills read a window, whatever was read before."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from file_source import DAY, Drop

WEEK = [datetime(2026, 3, day, 8, tzinfo=UTC) for day in range(1, 8)]


def test_a_new_file_is_read_once(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n")
    first = drop.land(cursor={})
    drop.write("b.csv", "id\n2\n", DAY - timedelta(days=30))
    second = drop.land(cursor=first.cursor)
    third = drop.land(cursor=second.cursor)
    assert (first.ids, second.ids, third.records) == (["1"], ["2"], [])
    assert third.cursor == second.cursor


def test_a_file_of_the_same_size_and_other_content_is_read_again(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={})
    drop.write("a.csv", "id\n2\n", WEEK[1])
    second = drop.land(cursor=first.cursor)
    assert second.ids == ["2"]
    assert drop.land(cursor=second.cursor).records == []


def test_a_file_that_was_only_touched_is_not_read_again(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={})
    drop.write("a.csv", "id\n1\n", WEEK[1])
    second = drop.land(cursor=first.cursor)
    assert second.records == []
    assert drop.land(cursor=second.cursor).cursor == second.cursor


def test_a_file_that_grew_is_read_again_whole(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={})
    drop.write("a.csv", "id\n1\n2\n", WEEK[1])
    assert drop.land(cursor=first.cursor).ids == ["1", "2"]


def test_rotated_files_are_not_read_again(drop: Drop) -> None:
    drop.write("log", "id\n1\n", WEEK[0])
    first = drop.land("log*", cursor={}, format="csv")
    (drop.exports / "log").rename(drop.exports / "log.1")
    drop.write("log", "id\n2\n", WEEK[1])
    second = drop.land("log*", cursor=first.cursor, format="csv")
    (drop.exports / "log.1").rename(drop.exports / "log.2")
    (drop.exports / "log").rename(drop.exports / "log.1")
    drop.write("log", "id\n3\n", WEEK[2])
    third = drop.land("log*", cursor=second.cursor, format="csv")
    assert (first.ids, second.ids, third.ids) == (["1"], ["2"], ["3"])


def test_a_renamed_file_is_not_read_again_even_where_its_time_changes(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={})
    (drop.exports / "a.csv").rename(drop.exports / "b.csv")
    os.utime(drop.exports / "b.csv")
    assert drop.land(cursor=first.cursor).records == []


def test_content_that_comes_back_is_read_again(drop: Drop) -> None:
    drop.write("status.csv", "id,state\n1,open\n", WEEK[0])
    first = drop.land(cursor={})
    drop.write("status.csv", "id,state\n1,done\n", WEEK[1])
    second = drop.land(cursor=first.cursor)
    drop.write("status.csv", "id,state\n1,open\n", WEEK[2])
    third = drop.land(cursor=second.cursor)
    assert [found.records[0]["state"] for found in (first, second, third)] == ["open", "done", "open"]


def test_a_new_days_file_that_says_the_same_as_an_earlier_day_is_news(drop: Drop) -> None:
    """A daily snapshot: open on Monday, done on Tuesday, open again on Wednesday."""
    for path in ("status-{date}.csv", "status-*.csv"):
        cursor, states = {}, []
        for day, state in zip(WEEK, ("open", "done", "open"), strict=False):
            drop.write(f"status-{day:%Y-%m-%d}.csv", f"id,state\n1,{state}\n", day)
            found = drop.land(path, cursor=cursor, end=day + timedelta(hours=1))
            cursor = found.cursor
            states += [record["state"] for record in found.records]
        assert states == ["open", "done", "open"]
        for file in drop.exports.iterdir():
            file.unlink()


def test_a_new_days_file_is_news_even_where_the_earlier_one_is_gone(drop: Drop) -> None:
    drop.write("status-2026-03-01.csv", "id,state\n1,open\n", WEEK[0])
    first = drop.land("status-{date}.csv", cursor={})
    (drop.exports / "status-2026-03-01.csv").unlink()
    drop.write("status-2026-03-03.csv", "id,state\n1,open\n", WEEK[2])
    assert drop.land("status-{date}.csv", cursor=first.cursor).ids == ["1"]


def test_copies_that_arrive_together_are_all_read(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n")
    drop.write("b.csv", "id\n1\n")
    assert drop.land(cursor={}).ids == ["1", "1"]


def test_the_end_of_the_window_leaves_later_files_for_the_next_run(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    drop.write("b.csv", "id\n2\n", WEEK[1])
    drop.write("c.csv", "id\n3\n", WEEK[2])
    first = drop.land(cursor={}, end=WEEK[1])
    assert first.ids == ["1"]
    second = drop.land(cursor=first.cursor, start=WEEK[1], end=WEEK[2])
    assert second.ids == ["2"]
    assert drop.land(cursor=second.cursor, start=WEEK[2], end=WEEK[3]).ids == ["3"]


def test_a_backfill_reads_its_window_half_open_and_keeps_no_cursor(drop: Drop) -> None:
    for number, day in enumerate(WEEK):
        drop.write(f"{number}.csv", f"id\n{number}\n", day)
    scheduled = drop.land(cursor={})
    assert len(scheduled.ids) == 7
    found = drop.land(start=WEEK[2], end=WEEK[4])
    assert found.ids == ["2", "3"]
    assert found.cursor == {}
    assert drop.land(cursor=scheduled.cursor).records == []


def test_a_backfill_by_the_day_in_the_path_ignores_when_the_file_was_copied(drop: Drop) -> None:
    for day in range(1, 5):
        drop.write(f"r-2026-03-0{day}.csv", f"id\n{day}\n", WEEK[6])
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    assert drop.land("r-{date}.csv", start=midnight, end=midnight + timedelta(days=2)).ids == ["2", "3"]


def test_the_first_run_begins_at_the_connections_start(drop: Drop) -> None:
    drop.write("old.csv", "id\n1\n", WEEK[0])
    drop.write("new.csv", "id\n2\n", WEEK[3])
    first = drop.land(cursor={}, start=WEEK[2], end=WEEK[4])
    assert first.ids == ["2"]
    drop.write("late.csv", "id\n3\n", WEEK[1])
    second = drop.land(cursor=first.cursor, start=WEEK[4], end=WEEK[5])
    assert second.ids == ["3"], "a file that appears later is read, whatever its date"


def test_a_file_from_before_the_start_is_read_once_it_changes(drop: Drop) -> None:
    drop.write("old.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={}, start=WEEK[2], end=WEEK[4])
    assert first.records == []
    assert drop.land(cursor=first.cursor, start=WEEK[4], end=WEEK[5]).records == []
    drop.write("old.csv", "id\n1\n9\n", WEEK[4])
    assert drop.land(cursor=first.cursor, start=WEEK[4], end=WEEK[5]).ids == ["1", "9"]


def test_files_from_before_the_start_stay_unread_when_they_rotate(drop: Drop) -> None:
    drop.write("log.1", "id\n1\n", WEEK[0])
    drop.write("log.2", "id\n0\n", WEEK[0] - timedelta(days=1))
    first = drop.land("log*", cursor={}, start=WEEK[2], end=WEEK[4], format="csv")
    (drop.exports / "log.2").rename(drop.exports / "log.3")
    (drop.exports / "log.1").rename(drop.exports / "log.2")
    drop.write("log.1", "id\n2\n", WEEK[4])
    second = drop.land("log*", cursor=first.cursor, start=WEEK[4], end=WEEK[5], format="csv")
    assert (first.records, second.ids) == ([], ["2"])
    assert drop.land("log*", cursor=second.cursor, start=WEEK[5], end=WEEK[6], format="csv").records == []


def test_a_failed_extraction_is_made_good_by_the_next(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n")
    first = drop.land(cursor={})
    drop.write("b.csv", "id\n2\n")
    drop.land(cursor=first.cursor)  # landed, but never loaded: its cursor was not kept
    assert drop.land(cursor=first.cursor).ids == ["2"]
