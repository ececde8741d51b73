"""Names that differ in case alone: SQL takes them for one. A value arrives, or the source is named; never a null."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxflow import flow
from cxflow.errors import SourceError
from cxflow.testing.project import TestProject

WHEN = "2026-03-01T10:00:00Z"


def project(folder: Path, suffix: str, **more: Any) -> TestProject:
    review = {"review_id": "id", "rating_value": "score", "date_published": "happened"}
    stream = {"path": f"*.{suffix}", "primary_key": ["id"], "to": {"review": review}, **more}
    table = {"connector": "files", "timezone": "UTC", "streams": {"reviews": stream}}
    return TestProject(folder, {"connections": {"shop": table}})


def _csv(path: Path, row: dict[str, Any]) -> None:
    path.write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n", encoding="utf-8")


def _parquet(path: Path, row: dict[str, Any]) -> None:
    pq.write_table(pa.Table.from_pylist([row]), path)


def _jsonl(path: Path, *rows: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def row(number: int, name: str = "score", **more: Any) -> dict[str, Any]:
    return {"id": number, name: number + 1, "happened": WHEN, **more}


def scores(shop: TestProject) -> list[tuple[Any, ...]]:
    return shop.rows("review", "review_id", "CAST(rating_value AS INTEGER)")


@pytest.mark.parametrize(("suffix", "write"), [("csv", _csv), ("parquet", _parquet)])
@pytest.mark.parametrize("in_one_run", [True, False])
def test_a_column_of_another_case_in_the_next_file_is_the_same_column(
    tmp_path: Path, suffix: str, write: Callable[[Path, Any], None], in_one_run: bool
) -> None:
    shop = project(tmp_path, suffix)
    write(tmp_path / f"a.{suffix}", row(1))
    if not in_one_run:
        shop.run()
    write(tmp_path / f"b.{suffix}", row(2, "Score"))
    assert shop.run()["shop.reviews"].notes == {}
    assert scores(shop) == [("shop:1", 2), ("shop:2", 3)]
    write(tmp_path / f"c.{suffix}", row(3))
    assert shop.run()["shop.reviews"].notes == {}
    flow.remap(shop.settings, "shop", "reviews")
    assert scores(shop) == [("shop:1", 2), ("shop:2", 3), ("shop:3", 4)]
    assert shop.run()["shop.reviews"].counts.extracted == 0


@pytest.mark.parametrize(
    "rows",
    [
        [row(1), row(2, "Score")],
        [row(1, Score=5)],
        [row(1, "Score", score=5)],
    ],
    ids=["of two records", "of one record", "of one record, the other way"],
)
def test_keys_of_json_that_differ_in_case_alone_are_refused_where_the_mapping_reads_them(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    shop = project(tmp_path, "jsonl")
    _jsonl(tmp_path / "a.jsonl", *rows)
    with pytest.raises(
        SourceError, match=r"'[sS]core' and '[sS]core', which differ in case.*a\.jsonl.*have the source"
    ):
        shop.run()
    assert scores(shop) == []


def test_a_key_of_another_case_in_the_next_batch_is_read_and_reported(tmp_path: Path) -> None:
    shop = project(tmp_path, "jsonl")
    _jsonl(tmp_path / "a.jsonl", row(1))
    shop.run()
    _jsonl(tmp_path / "b.jsonl", row(2, "Score"))
    assert shop.run()["shop.reviews"].notes == {"drift": {"new": ["Score"], "missing": ["score"]}}
    _jsonl(tmp_path / "c.jsonl", row(3))
    shop.run()
    assert scores(shop) == [("shop:1", 2), ("shop:2", 3), ("shop:3", 4)]


@pytest.mark.parametrize(
    ("expression", "clashing"),
    [
        ("meta.score", {"meta": {"score": 1, "Score": 2}}),
        ("meta::VARCHAR", {"meta": {"score": 1, "Score": 2}}),
        ("list_max(list_transform(answers, lambda a: a.score))", {"answers": [{"score": 1}, {"Score": 2}]}),
    ],
)
def test_nested_keys_that_the_mapping_reads_are_refused(
    tmp_path: Path, expression: str, clashing: dict[str, Any]
) -> None:
    review = {"review_id": "id", "review_body": expression, "date_published": "happened"}
    shop = project(tmp_path, "jsonl", to={"review": review})
    _jsonl(tmp_path / "a.jsonl", row(1, "stars", **clashing))
    with pytest.raises(SourceError, match=r"'score' and 'Score' of '(meta|answers)'"):
        shop.run()


def test_keys_that_the_mapping_does_not_read_do_no_harm(tmp_path: Path) -> None:
    shop = project(tmp_path, "jsonl")
    _jsonl(tmp_path / "a.jsonl", row(1, tags={"Foo": 1, "foo": 2}, Stars=1, stars=2, list=[{"a": 1, "A": 2}]))
    shop.run()
    assert scores(shop) == [("shop:1", 2)]


@pytest.mark.parametrize(("suffix", "write"), [("csv", _csv), ("jsonl", _jsonl)])
def test_a_column_that_may_be_absent_is_found_in_another_case(
    tmp_path: Path, suffix: str, write: Callable[[Path, Any], None]
) -> None:
    shop = project(tmp_path, suffix, may_lack=["SCORE"])
    write(tmp_path / f"a.{suffix}", row(1))
    shop.run()
    write(tmp_path / f"b.{suffix}", {"id": 2, "happened": WHEN})
    shop.run()
    assert scores(shop) == [("shop:1", 2), ("shop:2", None)]
