"""What a run would make of the first records, without a trace of having tried."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cxflow import flow, sources
from cxflow.dry_run import DryRun
from cxflow.errors import ConfigError
from cxflow.testing import TestProject

MAPPING = """
primary_key = ["id"]
[connections.shop.streams.reviews.to.touchpoint]
activity = "'wrote_review'"
channel = "'web'"
occurred_at = "made"
[connections.shop.streams.reviews.to.review]
review_id = "id"
rating_value = "stars"
worst_rating = "1"
best_rating = "5"
date_published = "made"
"""
HEAD = """
[project]
name = "dry"
[connections.shop]
timezone = "UTC"
"""
MANY = sources.DRY_RUN_RECORDS + 500


@pytest.fixture(autouse=True)
def _url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path / 'shop.db'}")


def review(number: int, stars: object = 5) -> dict[str, object]:
    return {"id": number, "made": "2026-03-01 10:00:00", "stars": stars}


def as_csv(folder: Path, records: list[dict[str, object]]) -> str:
    with (folder / "reviews.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "made", "stars"])
        writer.writeheader()
        writer.writerows(records)
    return 'connector = "files"\n[connections.shop.streams.reviews]\npath = "reviews.csv"'


def as_jsonl(folder: Path, records: list[dict[str, object]]) -> str:
    (folder / "reviews.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return 'connector = "files"\n[connections.shop.streams.reviews]\npath = "reviews.jsonl"'


def as_database(folder: Path, records: list[dict[str, object]]) -> str:
    with sqlite3.connect(folder / "shop.db") as database:
        database.execute("CREATE TABLE reviews (id INTEGER PRIMARY KEY, made TEXT, stars)")
        database.executemany("INSERT INTO reviews VALUES (:id, :made, :stars)", records)
    database.close()
    return (
        'connector = "sql"\nurl = { env = "SHOP_URL" }\n'
        '[connections.shop.streams.reviews]\ntable = "reviews"\ncursor = ["id"]\nlook_back_keys = 0'
    )


Source = Callable[[Path, list[dict[str, object]]], str]
"""Writes records where a connector finds them, and declares it."""
SOURCES = pytest.mark.parametrize("source", [as_csv, as_jsonl, as_database])


def project(folder: Path, source: str, mapping: str = MAPPING) -> TestProject:
    return TestProject(folder, f"{HEAD}{source}{mapping}")


def try_first(each: TestProject) -> DryRun:
    window = flow.scheduled_window(each.settings, "shop", "reviews", datetime.now(UTC))
    return sources.try_first(each.settings, "shop", "reviews", window, "scheduled")


@SOURCES
def test_the_first_records_are_tried_as_a_run_would(tmp_path: Path, source: Source) -> None:
    records = [review(number, 9 if number in (3, 5) else 5) for number in range(1, 11)]
    each = project(tmp_path, source(tmp_path, [*records, review(11, "many")]))
    assert try_first(each) == DryRun(
        records=11,
        rows={"touchpoint": 8, "review": 8},
        refused=3,
        reasons={"rating_within_scale of review": 2, "cast of review.rating_value": 1},
        stopped="",
        examples={
            "cast of review.rating_value": ["xxxx"],
            "rating_within_scale of review": ["rating_value 9.0, worst_rating 1.0, best_rating 5.0"],
        },
        suggestions=[],
    )


@SOURCES
def test_no_more_than_the_first_records_are_tried(tmp_path: Path, source: Source) -> None:
    records = [review(number) for number in range(1, MANY + 1)]
    each = project(tmp_path, source(tmp_path, records))
    tried = try_first(each)
    assert (tried.records, tried.rows["review"], tried.refused) == (1_000, 1_000, 0)
    each.run(end=datetime.now(UTC))
    assert each.query("SELECT count(*) FROM review") == [(MANY,)], "a run reads them all"
    assert try_first(each).records == 0, "and leaves nothing to read"


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    each = project(tmp_path, as_csv(tmp_path, [review(1)]))
    before = each.digest()
    assert try_first(each).records == 1
    assert each.digest() == before
    assert each.query("SELECT count(*) FROM load_run") == [(0,)]
    assert not list((tmp_path / "landing").glob("*"))


def test_it_tells_when_the_gate_would_close(tmp_path: Path) -> None:
    each = project(tmp_path, as_csv(tmp_path, [review(number, 9) for number in range(1, 8)]))
    assert try_first(each).stopped.startswith("7 of 7 records were rejected, more than the 5.0% allowed")


def test_a_column_that_is_not_there_is_told_before_a_run_lands_anything(tmp_path: Path) -> None:
    each = project(tmp_path, as_csv(tmp_path, [review(1)]), MAPPING.replace('"stars"', '"star"'))
    with pytest.raises(
        ConfigError, match=r"^shop\.reviews: .*'star', which does not exist; did you mean 'stars'"
    ):
        try_first(each)
    assert not list((tmp_path / "landing").glob("*"))


def test_of_json_it_says_that_a_later_record_may_have_the_key(tmp_path: Path) -> None:
    source = as_jsonl(tmp_path, [review(number) for number in range(1, MANY + 1)])
    each = project(tmp_path, source, MAPPING + 'review_body = "said"\n')
    with pytest.raises(
        ConfigError, match=r"'said', which does not exist(?s:.*)read only the first 1,000 records"
    ):
        try_first(each)
