"""What each mart shows: of an invented shop in Madrid, worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from analysts_shop import compute
from trip_bench import Bench

from cxflow import flow
from cxflow.publish import marts, views
from cxflow.publish.marts import Mart, UndescribedError
from cxflow.warehouse import engines, tables, transactions


def test_a_text_of_a_customer_is_in_no_view(shop: Bench) -> None:
    for name in ("customer_profile", "review", "survey_response", "support_case", "quarantine"):
        assert "canary" in str(shop.query(f"SELECT * FROM {name}")), "it is there to be found"
    for name in views.descriptions():
        shown = str(shop.query(f"SELECT * FROM {name}"))
        assert "canary" not in shown, name
        assert "example.org" not in shown, name


def test_every_view_and_every_column_has_a_comment_in_the_database(shop: Bench) -> None:
    with transactions.reading(shop.settings) as connection:
        comments = {(row[0], row[1]): row[2] for row in _comments(connection)}
        for name in views.descriptions():
            result = connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0")
            for column in ("", *result.keys()):
                assert comments.get((name, column)), f"{name}.{column}"
    assert comments["mart_delivery", ""] == "Every parcel, with its order and the order's customer."
    assert comments["mart_delivery", "carrier"] == tables.delivery.c.carrier.comment == "the carrier"
    assert comments["mart_delivery", "delivered_at_local"] == "when it was handed to the customer, local time"
    assert comments["mart_order", "is_returned"] == "whether goods of it were returned so far"
    assert comments["masked_review", "review_body"] == "its text"


def _comments(connection: sa.Connection) -> list[Any]:
    return list(connection.exec_driver_sql(engines.of(connection).comments_sql))


def test_a_comment_changed_by_hand_is_put_right(shop: Bench) -> None:
    shop.execute(
        "COMMENT ON COLUMN mart_delivery.carrier IS 'a pigeon'", "COMMENT ON VIEW mart_order IS NULL"
    )
    flow.publish(shop.settings)
    with transactions.reading(shop.settings) as connection:
        comments = {(row[0], row[1]): row[2] for row in _comments(connection)}
    assert comments["mart_delivery", "carrier"] == "the carrier"
    assert comments["mart_order", ""].startswith("Every order with its customer.")


@pytest.mark.parametrize("name", marts.read_all())
def test_every_column_that_a_mart_shows_is_described_and_no_other(shop: Bench, name: str) -> None:
    with transactions.reading(shop.settings) as connection:
        shown = list(connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0").keys())
    assert list(marts.read_all()[name].columns) == shown


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("upper(o.status) AS status", "mart_thing.status has no description"),
        ("o.nowhere", "mart_thing.nowhere has no description"),
        ("x.status", "mart_thing.status has no description"),
        ("upper(o.status)", "a column has no name"),
    ],
)
def test_a_column_without_a_description_is_refused(column: str, says: str) -> None:
    mart = Mart("mart_thing", f"-- Things.\nSELECT\n    o.order_id,\n    {column}\nFROM order_header AS o\n")
    with pytest.raises(UndescribedError, match=says):
        _ = mart.columns
    with pytest.raises(UndescribedError, match="mart_bare does not begin with a comment"):
        _ = Mart("mart_bare", "SELECT\n    o.order_id\nFROM order_header AS o\n").description


def test_a_column_of_several_lines_is_described_by_the_remark_on_its_last() -> None:
    word = "    CASE\n        WHEN a THEN f(a,\n        b)\n    END AS word, -- what it is\n"
    text = f"-- Things.\nSELECT\n{word}    o.order_id\nFROM order_header AS o"
    found = Mart("mart_thing", text).columns
    assert found == {"word": "what it is", "order_id": "the order"}


@pytest.mark.parametrize(
    "path", sorted(Path(marts.__file__).parents[2].glob("warehouse/marts/*.sql")), ids=str
)
def test_an_instant_has_its_local_time_beside_it_and_a_touchpoint_its_id(path: Path) -> None:
    columns = Mart.read(path).columns
    local = {name.removesuffix("_local") for name in columns if name.endswith("_local")}
    assert local <= set(columns)
    if "channel" in columns and "kpi" not in columns:
        assert "touchpoint_id" in columns


def test_local_times_are_those_of_the_reporting_zone(shop: Bench) -> None:
    assert shop.query("SELECT created_at, created_at_local FROM mart_order WHERE order_id = 'o3'") == [
        (datetime(2026, 1, 31, 23, 30, tzinfo=UTC), datetime(2026, 2, 1, 0, 30))  # noqa: DTZ001 - local
    ]
    assert shop.query("SELECT reporting_zone, taken_at IS NOT NULL FROM mart_snapshot") == [
        ("Europe/Madrid", True)
    ]


def test_a_journey_is_the_touchpoints_of_a_customer_in_order(shop: Bench) -> None:
    steps = shop.query(
        "SELECT step, touchpoint_id, previous_activity, seconds_since_previous FROM mart_journey "
        "WHERE customer_id = 'bea' ORDER BY step"
    )
    assert steps == [
        (1, "t-o2", None, None),
        (2, "call-1", "placed_order", 4 * 86400 + 23 * 3600),
        (3, "t-s1", "called_support", 86400),
        (4, "call-2", "answered_survey", 86400),
        (5, "complaint", "called_support", 86400),
        (6, "t-v1", "filed_complaint", 86400 + 3 * 3600),
    ]
    assert shop.query("SELECT count(*) FROM mart_journey WHERE touchpoint_id = 'nobody'") == [(0,)]
    assert shop.query("SELECT control FROM mart_journey WHERE touchpoint_id = 't-v1'") == [("external",)]


def test_an_answer_has_the_channel_of_what_it_speaks_of(shop: Bench) -> None:
    rows = "response_id", "survey_channel", "about_link", "about_touchpoint_id", "about_channel"
    assert shop.rows("mart_survey_response", *rows) == [
        ("s1", "email", "conversation", "call-1", "phone"),
        ("s2", "email", "conversation", "call-3", "phone"),
        ("s3", "email", "case", "mail", "email"),
        ("s4", "email", "order", "t-o5", "web"),
        ("s5", "email", None, None, None),
    ]


def test_lines_have_their_product_and_orders_their_number_and_whether_they_came_back(shop: Bench) -> None:
    lines = "order_id", "product_title", "product_category", "seller_region", "channel", "is_order_returned"
    assert shop.rows("mart_order_line", *lines) == [
        ("o1", "Lamp", "Lighting", "Galicia", "web", False),
        ("o2", "Desk", "Furniture", "Galicia", "store", True),
        ("o3", "Desk", "Furniture", "Galicia", "web", False),
        ("o3", "Lamp", "Lighting", "Galicia", "web", False),
        ("o4", "Desk", "Furniture", "Galicia", "web", False),
        ("o5", "Lamp", "Lighting", "Galicia", "web", False),
    ]
    assert shop.rows("mart_order", "order_id", "customer_order_no", "is_returned") == [
        ("o1", 1, False),
        ("o2", 1, True),
        ("o3", 1, False),
        ("o4", 2, False),
        ("o5", 1, False),
    ]


def test_refunds_deliveries_and_payments_have_their_customer(shop: Bench) -> None:
    refunds = shop.rows("mart_refund", "refund_id", "customer_id", "is_return", "channel")
    assert refunds == [("r-o2", "bea", True, "store"), ("r-o5", "dan", False, "web")]
    assert shop.rows("mart_delivery", "order_id", "customer_id", "carrier")[1:3] == [
        ("o2", "bea", "snail"),
        ("o3", "cai", "swift"),
    ]
    assert shop.rows("mart_payment", "order_id", "customer_id", "method") == [("o1", "ada", "card")]


def test_leads_and_deals_are_beside_each_other(shop: Bench) -> None:
    assert shop.rows("mart_lead", "lead_id", "origin", "opportunities", "is_won") == [
        ("l1", "fair", 1, True),
        ("l2", "fair", 0, False),
        ("l3", "search", 2, False),
        ("l4", "search", 0, False),
    ]
    assert shop.rows("mart_opportunity", "opportunity_id", "origin", "is_won", "touchpoint_id") == [
        ("p1", "fair", True, "t-l1"),
        ("p2", "search", False, "t-l3"),
        ("p3", "search", None, "t-l3"),
    ]


def test_a_customer_is_shown_without_a_name_and_a_merged_one_not_at_all(shop: Bench) -> None:
    assert shop.rows("mart_customer", "customer_id", "segment", "has_email", "has_phone", "profiles") == [
        ("ada", "home", True, False, 1),
        ("bea", "home", True, False, 1),
        ("cai", "business", True, False, 1),
        ("dan", "business", True, False, 1),
    ]


def test_freshness_and_books_of_a_source(shop: Bench) -> None:
    assert shop.rows("mart_freshness", "source_object", "loads", "last_status", "quarantine_open") == [
        ("stream", 2, "stopped", 1)
    ]
    assert shop.query("SELECT position, loaded_at FROM mart_freshness") == [
        (datetime(2026, 5, 2, 12, tzinfo=UTC), datetime(2026, 5, 2, 12, tzinfo=UTC))
    ]
    books = "SELECT sum(extracted), sum(inserted), sum(quarantined) FROM mart_load WHERE status = 'loaded'"
    assert [tuple(map(int, row)) for row in shop.query(books)] == [(15, 13, 2)]
    assert shop.rows("mart_quarantine", "rule", "column_name", "status") == [
        ("cannot be cast", "rating_value", "open"),
        ("cannot be cast", "rating_value", "replayed"),
    ]


def test_a_support_contact_is_one_that_the_customer_made(shop: Bench) -> None:
    contacts = "SELECT activity, count(*) FROM mart_touchpoint WHERE is_support_contact GROUP BY 1 ORDER BY 1"
    assert shop.query(contacts) == [("called_support", 5), ("contacted_support", 1), ("filed_complaint", 1)]


def test_a_kpi_says_how_to_show_it(shop: Bench) -> None:
    hints = "SELECT DISTINCT unit, decimals, number_format, better, lowest FROM mart_kpi WHERE kpi = '{}'"
    assert shop.query(hints.format("nps")) == [("points", 1, ",.1f", "higher", -100.0)]
    assert shop.query(hints.format("on_time_delivery_rate")) == [("share", 1, ",.1%", "higher", 0.0)]
    defined = "SELECT status, status_reason FROM mart_kpi_definition WHERE kpi = 'ces'"
    assert shop.query(defined)[0][0] == "no events"


def test_a_kpi_whose_events_are_gone_is_shown_no_more_and_stays_in_the_history(shop: Bench) -> None:
    cells = "SELECT count(*) FROM {} WHERE kpi = 'nps' AND grain = 'week' AND dimension = ''"
    before = shop.query(cells.format("mart_kpi"))
    told = shop.query(cells.format("mart_kpi_history"))
    week = "kpi = 'nps' AND grain = 'week' AND period_start = DATE '2026-02-16'"
    assert shop.query(f"SELECT n FROM mart_kpi WHERE {week} AND dimension = ''") == [(2,)]
    answers = "UPDATE survey_response SET is_deleted = {} WHERE response_id IN ('s3', 's4')"
    shop.execute(answers.format("TRUE"))
    compute(shop.settings)
    try:
        assert shop.query(f"SELECT n FROM mart_kpi WHERE {week}") == []
        assert shop.query(cells.format("mart_kpi")) == [(before[0][0] - 1,)]
        assert shop.query(cells.format("mart_kpi_history")) == [(told[0][0] + 1,)]
        assert [n for (n,) in shop.query("SELECT n FROM mart_kpi WHERE n = 0 AND left_out = 0")] == []
    finally:
        shop.execute(answers.format("FALSE"))
        compute(shop.settings)


THEN = {
    "mart_touchpoint": "occurred_at",
    "mart_journey": "occurred_at",
    "mart_experience": "occurred_at",
    "mart_signal": "occurred_at",
    "mart_interaction": "offered_at",
    "mart_support_case": "opened_at",
    "mart_survey_response": "responded_at",
    "mart_review": "date_published",
    "mart_order": "created_at",
    "mart_order_line": "(SELECT created_at FROM order_header o WHERE o.order_id = m.order_id)",
    "mart_payment": "(SELECT created_at FROM order_header o WHERE o.order_id = m.order_id)",
    "mart_delivery": "ordered_at",
    "mart_refund": "ordered_at",
    "mart_lead": "created_at",
    "mart_opportunity": "closed_at",
}
"""Mart to when its customer's segment is looked at."""


def test_every_mart_that_slices_by_customers_is_among_these() -> None:
    sliced = {name for name, mart in marts.read_all().items() if {"segment", "country"} & {*mart.columns}}
    assert sliced == {*THEN, "mart_customer"}


@pytest.fixture
def sold(shop: Bench) -> Iterator[Bench]:
    """The shop, its leads and deals with a customer."""
    shop.execute("UPDATE lead SET customer_id = 'ada'", "UPDATE opportunity SET customer_id = 'bea'")
    yield shop
    shop.execute("UPDATE lead SET customer_id = NULL", "UPDATE opportunity SET customer_id = NULL")


@pytest.mark.parametrize("name", THEN)
def test_a_row_has_the_segment_that_its_customer_had_at_the_event(sold: Bench, name: str) -> None:
    shop = sold
    query = f"SELECT {{}} FROM {name} m WHERE customer_id IS NOT NULL"
    times = sorted({at for (at,) in shop.query(query.format(THEN[name])) if at is not None})
    assert times, "there are rows to look at"
    middle = times[len(times) // 2]  # itself after the change
    rows = shop.query(query.format("count(*)"))
    has_country = "country" in marts.read_all()[name].columns
    shop.execute(
        "INSERT INTO customer_history SELECT customer_id, TIMESTAMPTZ '0001-01-02 00:00:00+00', "
        f"TIMESTAMPTZ '{middle.isoformat()}', 'once', true, 'XX' FROM customer"
    )
    try:
        said = f"{THEN[name]}, segment, {'country' if has_country else 'NULL'}"
        found = [tuple(row) for row in shop.query(query.format(said))]
        assert shop.query(query.format("count(*)")) == rows
    finally:
        shop.execute("DELETE FROM customer_history")
    for at, segment, country in found:
        is_then = at is not None and at < middle
        assert (segment == "once") is is_then
        assert not has_country or (country == "XX") is is_then
    assert any(at is not None and at >= middle for at, _, _ in found)
    if len(times) > 1:
        assert any(segment == "once" for _, segment, _ in found)
