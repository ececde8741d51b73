"""A transaction that is open during a run and commits after it: what the look-back of a time cursor is for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sql_source import Shop

from cxflow import flow
from cxflow.connect.sql.stream import SqlStream
from cxflow.errors import GateClosedError
from cxflow.model.batch import Counts
from cxflow.testing import TestProject

TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
ODD = "CASE WHEN id % 2 = 1 THEN updated_at::varchar ELSE 'never' END"
"""A time that only odd rows have."""
COLUMNS = {
    "timestamptz": ("timestamptz", None, "2026-03-02 {}:00+00:00"),
    "timestamp": ("timestamp", None, "2026-03-02 {}:00"),
    "text": ("text", None, "2026-03-02T{}Z"),
    "epoch": ("bigint", "epoch", None),
}


@pytest.fixture(params=COLUMNS)
def column(request: pytest.FixtureRequest) -> tuple[str, str | None, str | None]:
    found: tuple[str, str | None, str | None] = COLUMNS[request.param]
    return found


def started(
    folder: Path, server: Callable[[], str], kind: str, occurred_at: str = "updated_at", **stream: Any
) -> tuple[Shop, TestProject]:
    shop = Shop("postgresql", folder, server)
    shop.orders(of={"postgresql": kind})
    if kind == "bigint":
        occurred_at = "to_timestamp(updated_at)"
    to = {"touchpoint": {"activity": "'placed_order'", "channel": "'web'", "occurred_at": occurred_at}}
    shop.configure({"timezone": "UTC"}, cursor=["updated_at", "id"], to=to, **stream)
    return shop, TestProject(folder, (folder / "cxflow.toml").read_text())


def counts(project: TestProject, end: datetime) -> Counts:
    (report,) = project.run(end=end).values()
    assert project.books_balance()
    return report.counts


def ids(project: TestProject) -> list[str]:
    return [row for (row,) in project.rows("touchpoint", "source_record_id")]


def written(at: str, form: str | None) -> str:
    """A time of that day in the form of the column."""
    return form.format(at) if form else str(int(datetime.fromisoformat(f"2026-03-02T{at}Z").timestamp()))


def test_a_row_that_commits_after_a_run_is_read_by_the_next(
    column: tuple[str, str | None, str | None], tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    kind, cursor_type, form = column
    declared = {"cursor_type": cursor_type} if cursor_type else {}
    shop, project = started(tmp_path, postgresql, kind, **declared)
    shop.add((1, written("09:40", form)))
    writer = sa.create_engine(shop.url)
    with writer.connect() as late:
        late.exec_driver_sql(f"INSERT INTO orders VALUES (2, '{written('09:01', form)}')")
        assert counts(project, TEN) == Counts(extracted=1, inserted=1)
        late.commit()
    writer.dispose()
    shop.add((3, written("10:05", form)))
    ten_past = TEN + timedelta(minutes=10)
    assert counts(project, ten_past) == Counts(extracted=3, inserted=2, unchanged=1)
    assert ids(project) == ["1", "2", "3"]
    assert counts(project, ten_past) == Counts(extracted=2, unchanged=2), "since 09:10 there is nothing new"
    assert counts(project, TEN + timedelta(hours=2)) == Counts(extracted=2, unchanged=2)
    assert counts(project, TEN + timedelta(hours=4)) == Counts()
    assert ids(project) == ["1", "2", "3"]


def test_a_row_that_commits_later_than_the_look_back_is_left_to_a_backfill(
    tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    shop, project = started(tmp_path, postgresql, "timestamptz", look_back=0)
    assert counts(project, TEN) == Counts()
    shop.add((2, "2026-03-02 09:59:59+00:00"))
    assert counts(project, TEN + timedelta(hours=1)) == Counts()
    project.run(mode="backfill", start=TEN - timedelta(hours=1), end=TEN)
    assert ids(project) == ["2"]


def test_a_refused_row_that_is_read_again_does_not_stop_the_stream(
    tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    """Nothing else is in the look-back's hour, so that no record of the batch passes."""
    shop, project = started(tmp_path, postgresql, "timestamptz", occurred_at=ODD)
    shop.add((1, "2026-03-02 08:00:00+00:00"), (2, "2026-03-02 09:40:00+00:00"))
    assert counts(project, TEN) == Counts(extracted=2, inserted=1, quarantined=1)
    five_past = TEN + timedelta(minutes=5)
    assert counts(project, five_past) == Counts(extracted=1, quarantined=1)
    assert project.query("SELECT count(*) FROM quarantine") == [(1,)]
    shop.add((4, "2026-03-02 10:04:00+00:00"))
    with pytest.raises(GateClosedError, match="none of 2 records passed"):
        counts(project, TEN + timedelta(minutes=10))
    shop.add((5, "2026-03-02 10:05:00+00:00"))
    assert counts(project, TEN + timedelta(minutes=10)) == Counts(extracted=3, inserted=1, quarantined=2)
    counts(project, TEN + timedelta(hours=5))
    shop.execute("UPDATE orders SET updated_at = '2026-03-02 15:30:00+00:00' WHERE id = 4")
    with pytest.raises(GateClosedError, match="none of 1 records passed"):
        counts(project, TEN + timedelta(hours=6))


def test_the_first_run_has_no_look_back(tmp_path: Path, postgresql: Callable[[], str]) -> None:
    shop, project = started(tmp_path, postgresql, "timestamptz")
    shop.configure({"start": "2026-03-02T09:30:00Z"}, cursor="updated_at")
    project.reconfigure((tmp_path / "cxflow.toml").read_text())
    shop.add((1, "2026-03-02 09:29:00+00:00"), (2, "2026-03-02 09:31:00+00:00"))
    assert counts(project, TEN) == Counts(extracted=1, inserted=1)
    window = flow.scheduled_window(project.settings, "shop", "orders", TEN + timedelta(minutes=5))
    assert window.start == TEN - timedelta(minutes=30), (
        "the start of the connection, not an hour before the run"
    )


def test_the_default_is_an_hour() -> None:
    declared = {"table": "orders", "primary_key": "id", "cursor": "updated_at", "to": {"touchpoint": {}}}
    assert SqlStream.model_validate(declared).look_back == timedelta(hours=1)
    assert SqlStream.model_validate({**declared, "look_back": 0}).look_back == timedelta(0)
