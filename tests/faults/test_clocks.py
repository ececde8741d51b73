"""A clock that is a day off between two runs, and clocks that are put forward and back: nothing lost, nothing twice."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cxflow import flow
from cxflow.load.batch import LoadReport
from cxflow.testing import TestProject
from cxflow.validate import runner

MADRID = ZoneInfo("Europe/Madrid")
DAY = timedelta(days=1)


@contextmanager
def clock_off_by(offset: timedelta) -> Iterator[None]:
    """For cxflow, it is then."""

    class Instant(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Shifted(datetime, metaclass=Instant):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + offset

    modules = [module for name, module in sys.modules.items() if name.startswith("cxflow.")]
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            if getattr(module, "datetime", None) is datetime:
                patch.setattr(module, "datetime", Shifted)
        yield


class Source:
    """A table in a database, read by its `changed` column, which grows with every row."""

    def __init__(self, folder: Path, zone: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "source.sqlite"
        with closing(sqlite3.connect(self.file)) as database:
            database.execute("CREATE TABLE visit (id TEXT, changed TEXT, happened TEXT)")
        monkeypatch.setenv("VISITS", f"sqlite:///{self.file}")
        stream = {
            "table": "visit",
            "cursor": ["changed", "id"],
            "primary_key": ["id"],
            "version": "changed",
            "to": {"touchpoint": {"activity": "'made_visit'", "channel": "'web'", "occurred_at": "happened"}},
        }
        connection = {"connector": "sql", "url": {"env": "VISITS"}, "streams": {"visits": stream}}
        self.project = TestProject(
            folder, {"connections": {"shop": {**connection, **({"timezone": zone} if zone else {})}}}
        )

    def add(self, *rows: tuple[str, str, str]) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.executemany("INSERT INTO visit VALUES (?, ?, ?)", rows)

    def run(self, end: datetime) -> LoadReport:
        window = flow.scheduled_window(self.project.settings, "shop", "visits", end)
        return flow.run_stream(self.project.settings, "shop", "visits", window, "scheduled")

    @property
    def loaded(self) -> list[str]:
        return sorted(row[0] for row in self.project.query("SELECT source_record_id FROM touchpoint"))


@pytest.fixture(autouse=True)
def _without_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", lambda *_: [])


@pytest.mark.parametrize("offset", [DAY, -DAY])
def test_a_run_whose_clock_is_a_day_off_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: timedelta
) -> None:
    source = Source(tmp_path, None, monkeypatch)

    def happens(name: str) -> None:
        now = datetime.now(UTC).isoformat()
        source.add((name, now, now))

    for name, off in (("right", 0 * DAY), ("wrong", offset), ("again", offset), ("mended", 0 * DAY)):
        happens(name)
        with clock_off_by(off):
            source.run(datetime.now(UTC) + off)
    happens("later")
    source.run(datetime.now(UTC))
    assert source.loaded == ["again", "later", "mended", "right", "wrong"]
    assert source.project.query("SELECT sum(inserted) FROM load_run") == [(5,)]
    [(position,)] = source.project.query("SELECT position FROM stream_state")
    assert position <= datetime.now(UTC), "the cursor is back on earth"


def test_a_file_that_comes_while_the_clock_is_off_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = {"touchpoint": {"activity": "'made_visit'", "channel": "'web'", "occurred_at": "happened"}}
    stream = {"path": "*.jsonl", "primary_key": ["id"], "to": to}
    project = TestProject(
        tmp_path, {"connections": {"shop": {"connector": "files", "streams": {"visits": stream}}}}
    )
    for number, off in enumerate((0 * DAY, DAY, -DAY, 0 * DAY)):
        (tmp_path / f"{number}.jsonl").write_text(
            f'{{"id": "{number}", "happened": "2026-03-01T00:00:00Z"}}\n'
        )
        with clock_off_by(off):
            project.run(end=datetime.now(UTC) + off)
    assert project.rows("touchpoint", "source_record_id") == [("0",), ("1",), ("2",), ("3",)]
    assert project.query("SELECT sum(extracted), sum(inserted) FROM load_run") == [(4, 4)]


@pytest.mark.parametrize(
    "turn", [datetime(2026, 3, 29, tzinfo=MADRID), datetime(2026, 10, 25, tzinfo=MADRID)]
)
def test_no_hour_is_lost_or_doubled_when_clocks_are_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: datetime
) -> None:
    """Times on the wall, without a zone: an hour that does not exist in spring, one that comes twice in autumn."""
    source = Source(tmp_path, "Europe/Madrid", monkeypatch)
    begin = datetime(turn.year, turn.month, turn.day - 1, tzinfo=MADRID).astimezone(UTC)
    every = [begin + timedelta(minutes=30 * number) for number in range(2 * 72)]
    walls = [instant.astimezone(MADRID).replace(tzinfo=None).isoformat(sep=" ") for instant in every]
    assert len(walls) != len(set(walls)) or any(wall.endswith("02:30:00") for wall in walls)
    source.add(*((f"{number:03}", wall, wall) for number, wall in enumerate(walls)))
    ends = [datetime(turn.year, turn.month, turn.day + day, tzinfo=MADRID) for day in range(3)]
    for end in (*ends, turn + timedelta(days=4)):
        source.run(end)
        due = {f"{number:03}" for number, instant in enumerate(every) if instant < end}
        assert set(source.loaded) == due
    assert source.loaded == [f"{number:03}" for number in range(len(every))]
    hours = source.project.query("SELECT count(*) FROM touchpoint GROUP BY date_trunc('hour', occurred_at)")
    assert sum(row[0] for row in hours) == len(every)
