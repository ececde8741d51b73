"""The marts: each can be created, shows what it should, and holds no formula."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.warehouse import revisions

MARTS = sorted((revisions.resources() / "marts").glob("*.sql"))

STREAMS = {
    "orders": {
        "primary_key": ["id"],
        "deleted": "gone",
        "may_lack": ["gone"],
        "identifiers": {"email": "mail"},
        "to": {
            "touchpoint": {
                "activity": "'placed_order'",
                "channel": "'web'",
                "occurred_at": "day",
                "order_id": "id",
            },
            "order_header": {"order_id": "id", "created_at": "day", "price_total": "10"},
        },
    },
    "reviews": {
        "primary_key": ["id"],
        "deleted": "gone",
        "may_lack": ["gone"],
        "identifiers": {"email": "mail"},
        "to": {
            "touchpoint": {"activity": "'wrote_review'", "channel": "'app'", "occurred_at": "day"},
            "review": {
                "review_id": "id",
                "order_id": "of",
                "rating_value": "4",
                "review_body": "mail",
                "date_published": "day",
            },
        },
    },
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("publish") / "project", STREAMS, warehouse=new_warehouse())
    day = "2026-03-{:02d}T00:00:00Z"
    mail = "ada@example.org"
    bench.load(
        [
            {"id": 1, "day": day.format(5), "mail": mail},
            {"id": 2, "day": day.format(5), "mail": mail, "gone": True},
        ],
        "orders",
        delivered=_later(),
    )
    of = {"a": (4, 1), "b": (5, 1), "c": (6, 1), "d": (4, 2), "e": (4, None), "f": (4, 99)}
    reviews: list[dict[str, Any]] = [
        {"id": id, "day": day.format(at), "of": order, "mail": mail} for id, (at, order) in of.items()
    ]
    reviews.append({"id": "g", "day": day.format(4), "of": 1, "mail": mail, "gone": True})
    bench.load(reviews, "reviews", delivered=_later())
    flow.resolve_identity(bench.settings)
    assert set(flow.publish(bench.settings)) >= {path.stem for path in MARTS}
    return bench


def _later() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 3, 20, tzinfo=UTC)


def test_there_are_marts() -> None:
    assert {"mart_touchpoint", "mart_order", "mart_review", "mart_interaction", "mart_kpi"} <= {
        path.stem for path in MARTS
    }


@pytest.mark.parametrize("path", MARTS, ids=lambda path: path.stem)
def test_every_mart_can_be_read(published: Bench, path: Path) -> None:
    published.query(f"SELECT * FROM {path.stem}")


@pytest.mark.parametrize("path", MARTS, ids=lambda path: path.stem)
def test_no_mart_divides(path: Path) -> None:
    sql = re.sub(r"--.*|/\*.*?\*/|'[^']*'", "", path.read_text(encoding="utf-8"))
    assert "/" not in sql
    assert not re.search(r"\b(divide|avg|mean|fdiv)\s*\(", sql, re.IGNORECASE)


def test_a_review_dated_before_its_order_is_flagged_and_kept(published: Bench) -> None:
    assert published.rows("mart_review", "review_id", "is_before_purchase") == [
        ("shop:a", True),
        ("shop:b", False),
        ("shop:c", False),
        ("shop:d", False),  # its order is deleted
        ("shop:e", False),  # it names none
        ("shop:f", False),  # it names one that nobody knows
    ]


def test_deleted_rows_are_left_out_and_customers_stand_beside_their_rows(published: Bench) -> None:
    assert published.query(
        "SELECT order_id, channel, customer_id IS NOT NULL, is_cancelled FROM mart_order"
    ) == [("shop:1", "web", True, False)]
    assert published.query("SELECT activity, count(*) FROM mart_touchpoint GROUP BY 1 ORDER BY 1") == [
        ("placed_order", 1),
        ("wrote_review", 6),
    ]


def test_a_masked_view_hides_what_is_personal_and_leaves_deleted_rows_out(published: Bench) -> None:
    assert published.query("SELECT count(*), count(DISTINCT review_body) FROM review") == [(7, 1)]
    assert published.query(
        "SELECT review_body, review_title, rating_value, count(*) FROM masked_review "
        "GROUP BY review_body, review_title, rating_value"
    ) == [("***", None, 4.0, 6)]


def test_publishing_again_changes_nothing(published: Bench) -> None:
    before = published.rows("mart_touchpoint", "*")
    names = flow.publish(published.settings)
    assert len(names) == len(set(names))
    assert published.rows("mart_touchpoint", "*") == before


def test_a_view_that_was_changed_by_hand_is_brought_back(published: Bench) -> None:
    published.execute("DROP VIEW mart_order", "CREATE VIEW mart_order AS SELECT 1 AS nothing")
    flow.publish(published.settings)
    assert published.query("SELECT order_id FROM mart_order") == [("shop:1",)]
