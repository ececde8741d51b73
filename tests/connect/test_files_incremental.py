"""Scheduled runs read what is new, once; backfills read a window, whatever was read before."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from file_source import DAY, Drop

from cxflow.connect.connector import Cursor
from cxflow.connect.files import file_set, known_files
from cxflow.model.window import Window

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


def _as_of_an_earlier_version(cursor: Cursor, contents: dict[str, str]) -> Cursor:
    """A cursor of the form that held a table for each file, however long it was gone."""
    return {
        "files": {
            cursor["folder"] + name: {
                "size": entry[0],
                "mtime": entry[1],
                "etag": None,
                "sha256": entry[2] and hashlib.sha256(contents[name].encode()).hexdigest(),
            }
            for name, entry in cursor["files"].items()
        }
    }


def test_a_cursor_says_of_each_file_its_size_time_and_digest_and_little_else(drop: Drop) -> None:
    content = "id\n1\n"
    drop.write("day/a.csv", content, DAY)
    drop.write("day/b.csv", content, DAY)
    cursor = drop.land("**/*.csv", cursor={}).cursor
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()[:16]).decode().rstrip("=")
    entry = [5, DAY.timestamp(), digest]
    assert len(cursor.pop("settings")) == 16
    assert cursor == {"folder": f"{drop.exports}/day/", "files": {"a.csv": entry, "b.csv": entry}}


def test_a_cursor_of_an_earlier_version_is_understood(drop: Drop) -> None:
    contents = {f"{letter}.csv": f"id\n{letter}\n" for letter in "abcd"}
    for name, content in contents.items():
        drop.write(name, content, WEEK[0])
    drop.write("old.csv", "id\nold\n", WEEK[0] - timedelta(days=9))
    first = drop.land(cursor={}, start=WEEK[0], end=WEEK[1])
    before = _as_of_an_earlier_version(first.cursor, contents)
    assert before["files"][f"{drop.exports}/old.csv"]["sha256"] is None
    os.utime(drop.exports / "a.csv")
    (drop.exports / "b.csv").rename(drop.exports / "moved.csv")
    drop.write("c.csv", "id\nchanged\n", WEEK[1])
    (drop.exports / "old.csv").rename(drop.exports / "older.csv")
    second = drop.land(cursor=before, start=WEEK[1])
    assert second.ids == ["changed"]
    assert second.cursor["folder"] == f"{drop.exports}/"
    assert drop.land(cursor=second.cursor).records == []


def test_a_file_that_is_back_is_not_read_again_whatever_its_path(drop: Drop) -> None:
    for name in ("a", "b", "c"):
        drop.write(f"{name}.csv", f"id\n{name}\n", WEEK[0])
    first = drop.land(cursor={}, end=WEEK[1])
    for name in ("a", "b", "c"):
        (drop.exports / f"{name}.csv").rename(drop.folder / name)
    second = drop.land(cursor=first.cursor, end=WEEK[2], optional=True)
    third = drop.land(cursor=second.cursor, end=WEEK[3], optional=True)
    assert list(third.cursor["gone"]) == ["a.csv", "b.csv", "c.csv"]
    (drop.folder / "a").rename(drop.exports / "a.csv")
    (drop.folder / "b").rename(drop.exports / "elsewhere.csv")
    (drop.folder / "c").rename(drop.exports / "c.csv")
    os.utime(drop.exports / "c.csv")
    fourth = drop.land(cursor=third.cursor)
    assert fourth.records == []
    assert list(fourth.cursor["files"]) == ["a.csv", "c.csv", "elsewhere.csv"]
    assert "gone" not in fourth.cursor


def test_a_file_that_is_back_with_other_content_is_read(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={}, end=WEEK[1])
    (drop.exports / "a.csv").unlink()
    second = drop.land(cursor=first.cursor, end=WEEK[2], optional=True)
    drop.write("a.csv", "id\n2\n", WEEK[2])
    assert drop.land(cursor=second.cursor).ids == ["2"]


def test_a_file_that_says_again_what_one_long_gone_said_is_news(drop: Drop) -> None:
    """Exports without a date in their path, each archived once it was read: open, done, open again."""
    cursor: Cursor = {}
    states = []
    for number, state in enumerate(("open", "done", "open")):
        path = drop.write(f"export-{number}.csv", f"id,state\n1,{state}\n", WEEK[number])
        found = drop.land(cursor=cursor, end=WEEK[number + 1])
        cursor = found.cursor
        states += [record["state"] for record in found.records]
        path.unlink()
    assert states == ["open", "done", "open"]


def test_one_file_that_is_gone_explains_one_file_that_appears(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={}, end=WEEK[1])
    (drop.exports / "a.csv").unlink()
    drop.write("b.csv", "id\n1\n", WEEK[1])
    drop.write("c.csv", "id\n1\n", WEEK[2])
    second = drop.land(cursor=first.cursor)
    assert (second.ids, second.origins) == (["1"], ["c.csv"])
    assert "gone" not in second.cursor


def test_files_of_one_time_and_size_are_told_apart_by_their_content(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    first = drop.land(cursor={})
    drop.write("b.csv", "id\n2\n", WEEK[0])
    second = drop.land(cursor=first.cursor)
    assert second.ids == ["2"]
    drop.write("a.csv", "id\n11\n", WEEK[0])
    assert drop.land(cursor=second.cursor).ids == ["11"], "another size at the same time is a change"


def test_a_file_long_gone_is_forgotten(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    drop.write("b.csv", "id\n2\n", WEEK[0])
    first = drop.land(cursor={}, end=WEEK[1])
    (drop.exports / "a.csv").rename(drop.folder / "a.csv")
    second = drop.land(cursor=first.cursor, end=WEEK[2])
    month_later = drop.land(cursor=second.cursor, end=WEEK[2] + timedelta(days=30))
    assert list(month_later.cursor["gone"]) == ["a.csv"]
    forgotten = drop.land(cursor=month_later.cursor, end=WEEK[2] + timedelta(days=30, seconds=1))
    assert forgotten.cursor == {
        "folder": f"{drop.exports}/",
        "files": {"b.csv": first.cursor["files"]["b.csv"]},
        "settings": first.cursor["settings"],
    }
    (drop.folder / "a.csv").rename(drop.exports / "a.csv")
    assert drop.land(cursor=forgotten.cursor).ids == ["1"]


def test_of_many_files_that_are_gone_the_last_are_remembered(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "REMEMBERED_GONE", 2)
    cursor: Cursor = {}
    for number in range(5):
        path = drop.write("only.csv", f"id\n{number}\n", WEEK[number])
        path = path.rename(drop.exports / f"{number}.csv")
        cursor = drop.land(cursor=cursor, end=WEEK[number + 1]).cursor
        path.unlink()
    assert list(cursor["files"]) == ["4.csv"]
    assert list(cursor["gone"]) == ["2.csv", "3.csv"]


def test_a_run_for_a_past_day_takes_no_later_file_for_gone(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n", WEEK[0])
    drop.write("b.csv", "id\n2\n", WEEK[3])
    first = drop.land(cursor={})
    assert drop.land(cursor=first.cursor, end=WEEK[1]).cursor == first.cursor


def test_a_plan_reads_no_new_file(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: Any) -> str:
        raise AssertionError("a file was read")

    drop.write("a.csv", "id\n1\n")
    monkeypatch.setattr(file_set, "digest_of", read)
    connector = drop.connector()
    assert len(connector.plan(connector.stream("reviews"), Window(None, datetime.now(UTC)), {})) == 1


def test_a_change_while_a_file_is_read_is_a_change(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is that of what was there before the reading began."""

    def grown(files: file_set.FileSet, file: file_set.SourceFile, folder: Path, number: int) -> Path:
        found = fetch(files, file, folder, number)
        drop.write("a.csv", "id\n1\n2\n", WEEK[1])
        return found

    drop.write("a.csv", "id\n1\n", WEEK[0])
    fetch = file_set.FileSet.fetch
    monkeypatch.setattr(file_set.FileSet, "fetch", grown)
    first = drop.land(cursor={})
    monkeypatch.undo()
    assert drop.land(cursor=first.cursor).ids == ["1", "2"]


def test_an_object_is_known_by_its_etag_too(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fsspec.filesystem("memory")
    find = type(store).find

    def tagged(self: Any, *arguments: Any, **options: Any) -> Any:
        found = find(self, *arguments, **options)
        return {path: {**info, "ETag": tag, "created": DAY} for path, info in found.items()}

    monkeypatch.setattr(type(store), "find", tagged)
    store.pipe("/etags/a.csv", b"id\n1\n")
    store.pipe("/etags/b.csv", b"id\n2\n")
    tag = '"one"'
    first = drop.land("memory://etags/*.csv", cursor={})
    assert [entry[3] for entry in first.cursor["files"].values()] == [tag, tag]
    store.pipe("/etags/a.csv", b"id\n3\n")
    assert drop.land("memory://etags/*.csv", cursor=first.cursor).records == []
    tag = '"two"'
    second = drop.land("memory://etags/*.csv", cursor=json.loads(json.dumps(first.cursor)))
    assert second.ids == ["3"]
    monkeypatch.undo()
    store.rm("/etags", recursive=True)
