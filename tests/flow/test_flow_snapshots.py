"""Snapshots from end to end: files that each hold everything, and a database that is read whole each time."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cxflow import sources
from cxflow.cli.outcome import notes
from cxflow.connect import registry
from cxflow.errors import ConfigError, GateClosedError
from cxflow.testing.project import TestProject


def declared(path: str | list[str], **more: Any) -> dict[str, Any]:
    case = {"case_id": "id", "opened_at": "TIMESTAMPTZ '2026-03-01 10:00:00Z'", "reason": "why"}
    return {"path": path, "primary_key": ["id"], "to": {"support_case": case}, "snapshot": True, **more}


def configuration(path: str | list[str], **more: Any) -> dict[str, Any]:
    table = {"connector": "files", "timezone": "UTC", "streams": {"cases": declared(path, **more)}}
    return {"connections": {"desk": table}}


def deliver(path: Path, day: int, keys: str) -> None:
    """A CSV file of cases, delivered on that day of March."""
    path.write_text("id,why\n" + "".join(f"{key},late\n" for key in keys), encoding="utf-8")
    at = datetime(2026, 3, day, 12, tzinfo=UTC).timestamp()
    os.utime(path, (at, at))


def live(project: TestProject) -> str:
    return "".join(key for (key,) in project.rows("source_record WHERE NOT is_deleted", "source_record_id"))


def test_a_file_a_day_deletes_what_two_of_them_lack(tmp_path: Path) -> None:
    desk = TestProject(tmp_path, configuration("{date}.csv"))
    vanished = []
    for day, keys in ((1, "abc"), (2, "ab"), (3, "abd"), (4, "abcd")):
        deliver(tmp_path / f"2026-03-0{day}.csv", day, keys)
        vanished.append(desk.run()["desk.cases"].vanished)
        if day == 3:
            assert live(desk) == "abd"
    assert (vanished, live(desk)) == ([0, 0, 1, 0], "abcd")
    assert desk.query("SELECT count(*) FROM stream_snapshot") == [(4,)]


def test_files_of_many_days_in_one_run_are_each_a_snapshot(tmp_path: Path) -> None:
    desk = TestProject(tmp_path, configuration("{date}.csv"))
    for day, keys in ((1, "abc"), (2, "ab"), (3, "ab")):
        deliver(tmp_path / f"2026-03-0{day}.csv", day, keys)
    report = desk.run()["desk.cases"]
    assert (report.counts.inserted, report.vanished, live(desk)) == (3, 1, "ab")


def test_a_file_in_one_place_is_a_snapshot_whenever_its_content_changes(tmp_path: Path) -> None:
    desk = TestProject(tmp_path, configuration("all.csv"))
    for day, keys in ((1, "abc"), (2, "ab"), (3, "ab"), (4, "ab")):
        deliver(tmp_path / "all.csv", day, keys)
        desk.run()
    # Read once more, because the window says so: still the same snapshot.
    start, end = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 31))
    assert desk.run(mode="backfill", start=start, end=end)["desk.cases"].counts.extracted == 2
    assert live(desk) == "abc"
    deliver(tmp_path / "all.csv", 5, "abd")
    assert (desk.run()["desk.cases"].vanished, live(desk)) == (1, "abd")


def test_a_backfill_brings_the_snapshots_of_old_files(tmp_path: Path) -> None:
    without = {name: item for name, item in declared("{date}.csv").items() if name != "snapshot"}
    table = {"connector": "files", "timezone": "UTC", "streams": {"cases": without}}
    desk = TestProject(tmp_path, {"connections": {"desk": table}})
    for day, keys in ((1, "abc"), (2, "ab"), (3, "ab")):
        deliver(tmp_path / f"2026-03-0{day}.csv", day, keys)
    desk.run()
    desk.reconfigure(configuration("{date}.csv"))
    assert desk.run()["desk.cases"].counts.extracted == 0, "the setting alone reads nothing again"
    assert live(desk) == "abc"
    start, end = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 31))
    report = desk.run(mode="backfill", start=start, end=end)["desk.cases"]
    assert (report.counts.unchanged, report.vanished, live(desk)) == (3, 1, "ab")


def test_a_truncated_file_is_stopped_and_goes_through_beside_the_next_one(tmp_path: Path) -> None:
    desk = TestProject(tmp_path, {**configuration("{date}.csv"), "quality": {"min_records": 5}})
    deliver(tmp_path / "2026-03-01.csv", 1, "abcdefghij")
    desk.run()
    deliver(tmp_path / "2026-03-02.csv", 2, "ab")
    with pytest.raises(
        GateClosedError, match=r"8 of 10 live records are missing from 2026-03-02\.csv"
    ) as stopped:
        desk.run()
    assert stopped.value.exit_code == 65
    deliver(tmp_path / "2026-03-03.csv", 3, "abcdefghi")
    report = desk.run()["desk.cases"]
    assert (report.counts.deduplicated, report.vanished, live(desk)) == (2, 1, "abcdefghi")


def test_a_line_that_cannot_be_read_may_be_any_record(tmp_path: Path) -> None:
    desk = TestProject(tmp_path, configuration("{date}.csv", max_rejected_share=1))
    for day, keys in ((1, "ab"), (2, "a"), (3, "a")):
        deliver(tmp_path / f"2026-03-0{day}.csv", day, keys)
    with open(tmp_path / "2026-03-03.csv", "a", encoding="utf-8") as file:
        file.write("b,late,and more\n")
    report = desk.run()["desk.cases"]
    assert (report.counts.quarantined, report.vanished, live(desk)) == (1, 0, "ab")
    assert [
        line for line in notes(report.notes) if "2026-03-03.csv has records without a readable key" in line
    ]


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        (["eu.csv", "us.csv"], {}, "each file holds everything; eu.csv and us.csv cannot both be that"),
        ("a.csv", {"group_by": ["id"], "aggregates": {"why": "max(why)"}}, "does not go with group_by"),
        ("a.csv", {"snapshot": False, "max_vanished_share": 0.5}, "means nothing without snapshot = true"),
    ],
)
def test_what_cannot_be_a_snapshot_is_refused(
    tmp_path: Path, path: str | list[str], more: dict[str, Any], said: str
) -> None:
    desk = TestProject(tmp_path, configuration("a.csv"))
    desk.reconfigure(configuration(path, **more))
    with pytest.raises(ConfigError, match=said):
        sources.lint(desk.settings, "desk")


def test_lint_tells_what_becomes_of_missing_records_and_doctor_of_files_of_one_time(tmp_path: Path) -> None:
    desk = TestProject(tmp_path, configuration("*.csv"))
    deliver(tmp_path / "one.csv", 1, "a")
    deliver(tmp_path / "two.csv", 1, "b")
    assert sources.doctor(desk.settings, "desk", "cases") == [
        "2 files were delivered at 2026-03-01T12:00:00Z: they count as one snapshot, which lacks what none of them "
        "holds"
    ]
    again = (
        "an old file that is delivered again replaces newer rows, unless there is a version or a {date} path"
    )
    stays = "a record that later files lack stays, unless snapshot = true says that each holds everything"
    for changed, said in (
        ({}, [again]),
        ({"snapshot": False}, [stays, again]),
        ({"snapshot": False, "path": "{date}.csv"}, [stays]),
        ({"snapshot": False, "deleted": "why = 'gone'", "version": "'2026-03-01Z'"}, []),
    ):
        desk.reconfigure(configuration(**{"path": "*.csv", **changed}))
        assert sources.remarks(desk.settings, "desk", "cases") == said


def test_a_table_that_is_read_whole_is_a_snapshot_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_URL", f"sqlite:///{tmp_path}/desk.sqlite")
    source = sa.create_engine(f"sqlite:///{tmp_path}/desk.sqlite")
    stream = {name: item for name, item in declared("").items() if name != "path"} | {"table": "cases"}
    table = {"connector": "sql", "url": {"env": "DESK_URL"}, "streams": {"cases": stream}}
    with source.begin() as database:
        database.exec_driver_sql("CREATE TABLE cases (id text, why text)")
        database.exec_driver_sql("INSERT INTO cases VALUES ('a', 'late'), ('b', 'late'), ('c', 'late')")
    desk = TestProject(tmp_path, {"connections": {"desk": table}})
    assert registry.open_connection(desk.settings, "desk").stream("cases").snapshot
    desk.run()
    with source.begin() as database:
        database.exec_driver_sql("DELETE FROM cases WHERE id = 'b'")
    assert [desk.run()["desk.cases"].vanished for _ in range(3)] == [0, 1, 0]
    assert live(desk) == "ac"
    with source.begin() as database:
        database.exec_driver_sql("INSERT INTO cases VALUES ('b', 'late')")
    desk.run()
    assert live(desk) == "abc"
    table["streams"] = {"cases": {**stream, "cursor": ["id"]}}
    desk.reconfigure({"connections": {"desk": table}})
    with pytest.raises(ConfigError, match="snapshot = true needs a stream that is read whole each time"):
        sources.lint(desk.settings, "desk")
    source.dispose()
