"""How far a stream is known after a run: to the end of its window, and no further than its newest file."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cxflow import flow
from cxflow.testing import TestProject

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
ORDERS = {"order_header": {"order_id": "id", "created_at": "created_at"}}


def project(folder: Path, path: str = "*.csv", **stream: Any) -> TestProject:
    folder.mkdir(exist_ok=True)
    orders = {"path": path, "primary_key": ["id"], "to": ORDERS, **stream}
    shop = {"connector": "files", "timezone": "UTC", "streams": {"orders": orders}}
    return TestProject(folder, {"project": {"name": "shop"}, "connections": {"shop": shop}})


def deliver(project: TestProject, name: str, at: datetime, id_: str = "1") -> None:
    path = project.folder / name
    path.write_text(f"id,created_at\n{id_},2026-02-01T10:00:00Z\n")
    os.utime(path, (at.timestamp(), at.timestamp()))


def known(project: TestProject) -> datetime | None:
    [(at,)] = project.rows("stream_state", "known_until")
    return at  # type: ignore[no-any-return]


@pytest.fixture
def shop(tmp_path: Path) -> TestProject:
    found = project(tmp_path / "shop")
    deliver(found, "first.csv", NOON)
    found.run()
    return found


def test_files_are_known_as_far_as_the_newest_was_delivered(shop: TestProject) -> None:
    assert known(shop) == NOON
    deliver(shop, "second.csv", NOON + timedelta(hours=1), "2")
    shop.run()
    assert known(shop) == NOON + timedelta(hours=1)


def test_without_a_new_file_nothing_more_is_known(shop: TestProject) -> None:
    shop.run()
    assert known(shop) == NOON


def test_a_file_that_is_not_read_yet_does_not_count(shop: TestProject) -> None:
    deliver(shop, "second.csv", NOON + timedelta(hours=2), "2")
    shop.run(end=NOON + timedelta(hours=1))
    assert known(shop) == NOON


def test_a_backfill_of_earlier_files_takes_nothing_away(shop: TestProject) -> None:
    shop.run(mode="backfill", start=NOON - timedelta(days=3), end=NOON - timedelta(days=1))
    assert known(shop) == NOON


def test_a_remapping_brings_nothing_of_the_source(shop: TestProject) -> None:
    flow.remap(shop.settings, "shop", "orders")
    assert known(shop) == NOON


def test_a_file_from_the_future_is_known_up_to_now(tmp_path: Path) -> None:
    found = project(tmp_path / "shop")
    before = datetime.now(UTC)
    deliver(found, "first.csv", NOON.replace(year=2090))
    found.run(end=NOON.replace(year=2100))
    at = known(found)
    assert at is not None
    assert before < at < datetime.now(UTC)


def test_of_a_dated_file_the_whole_day_is_known(tmp_path: Path) -> None:
    found = project(tmp_path / "shop", "{date}.csv")
    deliver(found, "2026-03-04.csv", NOON)
    found.run()
    assert known(found) == datetime(2026, 3, 5, tzinfo=UTC)
