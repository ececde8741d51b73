"""What a record becomes: rows, ids, derived columns, required values, its content hash."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from cxflow.conform.expressions import duckdb_type
from cxflow.conform.projection import check_references
from cxflow.errors import ConfigError
from cxflow.landing import prepared
from cxflow.model.stream import Stream
from cxflow.warehouse import tables

AT = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"
TOUCH = {"activity": "'called_support'", "channel": "'phone'", "occurred_at": AT}


def stream(to: dict[str, Any], **declared: Any) -> dict[str, Any]:
    return {"primary_key": ["id"], "to": to, **declared}


def test_several_projections_of_one_table_each_make_their_rows(conform: Any) -> None:
    placed = {"activity": "'placed_order'", "channel": "'web'", "occurred_at": "created"}
    received = {
        **placed,
        "activity": "'received_delivery'",
        "occurred_at": "arrived",
        "where": "arrived IS NOT NULL",
    }
    returned = {**placed, "activity": "'returned_order'", "for_each": "returns", "occurred_at": "item.day"}
    day = "2026-03-0{}T00:00:00Z"
    records = [
        {
            "id": 1,
            "created": day.format(1),
            "arrived": day.format(2),
            "returns": [{"day": day.format(3)}] * 2,
        },
        {"id": 2, "created": day.format(1), "arrived": None, "returns": []},
        {"id": 3, "created": day.format(1), "arrived": None, "returns": None},
    ]
    with conform(stream({"touchpoint": [placed, received, returned]}), records) as scratch:
        assert scratch.refused == []
        assert scratch.rows("SELECT _row, activity, count(*) FROM touchpoint GROUP BY ALL ORDER BY ALL") == [
            (1, "placed_order", 1),
            (1, "received_delivery", 1),
            (1, "returned_order", 2),
            (2, "placed_order", 1),
            (3, "placed_order", 1),
        ]
        assert scratch.rows(
            "SELECT count(DISTINCT touchpoint_id), count(DISTINCT row_id) FROM touchpoint"
        ) == [(6, 6)]


def test_an_item_comes_before_a_raw_column_of_its_name(conform: Any) -> None:
    refund = {"for_each": "parts", "refund_id": "id || '-' || item_no", "order_id": "item", "refunded_at": AT}
    record = {"id": 1, "item": "the whole", "Item_No": "many", "parts": ["a", "b"]}
    with conform(stream({"refund": refund}), [record]) as scratch:
        assert scratch.rows("SELECT refund_id, order_id FROM refund ORDER BY ALL") == [
            ("shop:1-1", "shop:a"),
            ("shop:1-2", "shop:b"),
        ]


def test_ids_are_qualified_and_an_empty_one_is_none(conform: Any) -> None:
    case = {"case_id": "id", "opened_at": AT, "order_id": "id_of('web', ref)"}
    touch = {**TOUCH, "agent_id": "agent", "conversation_id": "ref", "order_id": "id_of('web', ref)"}
    records = [{"id": " 1 ", "ref": "A-7", "agent": "x"}, {"id": 2, "ref": " ", "agent": None}]
    with conform(stream({"support_case": case, "touchpoint": touch}), records) as scratch:
        assert scratch.refused == []
        assert scratch.rows("SELECT case_id, order_id FROM support_case ORDER BY _row") == [
            ("shop:1", "web:A-7"),
            ("shop:2", None),
        ]
        assert scratch.rows("SELECT agent_id, conversation_id, order_id FROM touchpoint ORDER BY _row") == [
            ("shop:x", "shop:A-7", "web:A-7"),
            (None, None, None),
        ]


def test_keys_of_several_columns_cannot_be_mistaken_for_each_other(conform: Any) -> None:
    pairs = [("a|", "b"), ("a", "|b"), ("a", "b"), ("a\\", "|b"), ("a\\|", "b"), ("a|b", ""), ("a", "b|")]
    declaration = stream({"support_case": {"case_id": "x || '+' || coalesce(y, '')", "opened_at": AT}})
    records = [{"x": x, "y": y} for x, y in pairs]
    with conform({**declaration, "primary_key": ["x", "y"]}, records) as scratch:
        keys = scratch.column("SELECT record_id FROM record ORDER BY _row")
        assert keys[2] == "a|b"
        assert keys[5] is None
        assert len({key for key in keys if key}) == 6
        assert scratch.refused == [(6, "required", "primary_key", None)]


@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_record_without_a_key_is_refused(conform: Any, key: Any) -> None:
    with conform(stream({"touchpoint": TOUCH}), [{"id": key}, {"id": 2}]) as scratch:
        assert scratch.refused == [(1, "required", "primary_key", None)]


def test_known_activities_fill_stage_control_and_direction_and_a_mapping_may_say_otherwise(
    conform: Any,
) -> None:
    touch = {**TOUCH, "activity": "a", "control": "c"}
    records = [
        {"id": 1, "a": "wrote_review", "c": None},
        {"id": 2, "a": "wrote_review", "c": "owned"},
        {"id": 3, "a": "received_call", "c": None},
        {"id": 4, "a": "rang_bell", "c": None},
    ]
    with conform(stream({"touchpoint": touch}), records) as scratch:
        assert scratch.rows("SELECT journey_stage, control, direction FROM touchpoint ORDER BY _row") == [
            ("after", "external", "inbound"),
            ("after", "owned", "inbound"),
            ("after", "owned", "outbound"),
            (None, None, None),
        ]


def test_scales_and_currencies_are_filled_where_nothing_is_said(conform: Any) -> None:
    answer = {
        "response_id": "id",
        "question_id": "'q'",
        "metric_type": "metric",
        "rating_value": "score",
        "best_rating": "best",
        "responded_at": AT,
    }
    records = [
        {"id": 1, "metric": "nps", "score": 9, "best": None},
        {"id": 2, "metric": "csat", "score": 4, "best": 10},
        {"id": 3, "metric": "smiles", "score": 2, "best": None},
    ]
    order = {"order_id": "id", "created_at": AT}
    to = {"survey_response": answer, "order_header": order}
    with conform(stream(to), records, connection={"currency": "BRL"}) as scratch:
        assert scratch.rows("SELECT worst_rating, best_rating FROM survey_response ORDER BY _row") == [
            (0.0, 10.0),
            (1.0, 10.0),
            (None, None),
        ]
        assert scratch.column("SELECT DISTINCT currency_code FROM order_header") == ["BRL"]
    with conform(
        stream({"order_header": {**order, "currency_code": "c"}}), [{"id": 1, "c": "USD"}, {"id": 2}]
    ) as scratch:
        assert scratch.column("SELECT currency_code FROM order_header ORDER BY _row") == ["USD", "EUR"]


def test_satellites_and_signals_learn_their_records_touchpoint(conform: Any) -> None:
    to = {
        "signal": {"name": "'mood'", "model_version": "'1'", "string_value": "mood"},
        "support_case": {"case_id": "id", "opened_at": AT},
        "touchpoint": TOUCH,
    }
    with conform(stream(to), [{"id": 1, "mood": "good"}]) as scratch:
        assert scratch.refused == []
        (touchpoint,) = scratch.column("SELECT touchpoint_id FROM touchpoint")
        assert scratch.column("SELECT touchpoint_id FROM signal") == [touchpoint]
        assert scratch.column("SELECT touchpoint_id FROM support_case") == [touchpoint]


def test_a_missing_required_value_refuses_the_record_by_name(conform: Any) -> None:
    touch = {**TOUCH, "occurred_at": "seen"}
    with conform(
        stream({"touchpoint": touch}), [{"id": 1, "seen": None}, {"id": 2, "seen": "odd"}]
    ) as scratch:
        assert scratch.refused == [
            (1, "required", "touchpoint.occurred_at", None),
            (2, "cast", "touchpoint.occurred_at", "odd"),
        ]


def test_a_tombstone_with_nothing_but_its_key_only_loses_its_rows(conform: Any) -> None:
    declaration = stream(
        {
            "touchpoint": {**TOUCH, "occurred_at": "seen"},
            "support_case": {"case_id": "id", "opened_at": "seen"},
        },
        version="changed",
        deleted="gone",
    )
    records = [
        {"id": 1, "seen": None, "changed": None, "gone": True},
        {"id": 2, "seen": "2026-03-01T10:00:00Z", "changed": "2026-03-01T11:00:00Z", "gone": True},
    ]
    delivered = datetime(2026, 3, 2, 6, tzinfo=UTC)
    with conform(declaration, records, delivered=delivered) as scratch:
        assert scratch.refused == []
        assert scratch.column("SELECT case_id FROM support_case") == ["shop:2"]
        # Without a version of its own it is as new as its delivery.
        assert scratch.rows("SELECT version_at, is_deleted FROM record ORDER BY _row") == [
            (delivered, True),
            (datetime(2026, 3, 1, 11, tzinfo=UTC), True),
        ]


HASHED = stream(
    {
        "touchpoint": {**TOUCH, "reason": "why"},
        "refund": {"for_each": "l", "refund_id": "item", "order_id": "id", "refunded_at": AT},
    },
    identifiers={"email": "mail"},
)


def hashes(conform: Any, records: list[dict[str, Any]], **landed: Any) -> dict[str, str]:
    with conform(HASHED, records, **landed) as scratch:
        return dict(scratch.rows("SELECT record_id, content_hash FROM record"))


def test_the_content_hash_ignores_the_order_of_rows_and_the_time_of_delivery(conform: Any) -> None:
    records = [
        {"id": n, "why": f"r{n}", "l": [f"{n}a", f"{n}b", f"{n}c"], "mail": f"p{n}@example.org"}
        for n in range(5)
    ]
    turned = [{**record, "l": record["l"][::-1]} for record in records]
    random.Random(7).shuffle(turned)
    later = datetime(2026, 4, 1, tzinfo=UTC)
    assert hashes(conform, turned, delivered=later) == hashes(conform, records)


@pytest.mark.parametrize(
    "change",
    [{"why": ""}, {"why": None}, {"why": "R"}, {"l": ["a"]}, {"l": ["a", "c"]}, {"mail": "q@example.org"}],
)
def test_the_content_hash_sees_every_change(conform: Any, change: dict[str, Any]) -> None:
    record = {"id": 1, "why": "r", "l": ["a", "b"], "mail": "p@example.org"}
    assert hashes(conform, [{**record, **change}]) != hashes(conform, [record])


@pytest.mark.parametrize("landed", [{}, {"malformed": ["{cut", "off"]}])
def test_a_batch_with_nothing_readable_conforms_to_nothing(conform: Any, landed: dict[str, Any]) -> None:
    with conform(HASHED, [], known={"id": "VARCHAR"}, **landed) as scratch:
        assert scratch.conformed.rows == 0
        assert scratch.conformed.extracted == len(landed.get("malformed", []))
        assert scratch.conformed.report == {}, "nothing was seen, so nothing is gone"
        assert [rule for _, rule, _, _ in scratch.refused] == ["malformed"] * len(landed.get("malformed", []))


@pytest.mark.parametrize(
    "records", [[], [{"id": 1, "why": "r", "l": ["a"], "mail": "p@example.org"}]], ids=["nothing", "a record"]
)
def test_the_scratch_tables_have_the_columns_that_the_stages_agree_on(
    conform: Any, records: list[dict[str, Any]]
) -> None:
    with conform(HASHED, records, known={"id": "VARCHAR"}) as scratch:
        found = {
            name: {column: kind for column, kind, *_ in scratch.rows(f"DESCRIBE {name}")}
            for name in ("record", "identifier", "refused", *HASHED["to"])
        }
    own = {
        name: {column.name: duckdb_type(column.type) for column in tables.mappable(table).values()}
        for name, table in tables.CANONICAL.items()
    }
    expected = {
        "record": prepared.RECORD,
        "identifier": prepared.IDENTIFIER,
        "refused": prepared.REFUSED,
        **{name: {**prepared.ROW, **own[name]} for name in HASHED["to"]},
    }
    assert found == _as_duckdb_says(expected)


def _as_duckdb_says(expected: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """DuckDB writes TIMESTAMPTZ in full, and decimals without the blank."""
    full = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "DECIMAL(18, 4)": "DECIMAL(18,4)"}
    return {
        table: {name: full.get(kind, kind) for name, kind in columns.items()}
        for table, columns in expected.items()
    }


def test_two_hundred_thousand_records_are_conformed_without_a_loop(conform: Any) -> None:
    count = 200_000
    numbers = range(count)
    table = pa.table(
        {
            "id": pa.array([n if n % 1000 else None for n in numbers], pa.int64()),
            "why": pa.array(["late"] * count),
            "mail": pa.array([f"p{n}@example.org" for n in numbers]),
        }
    )
    declaration = {**HASHED, "to": {"touchpoint": HASHED["to"]["touchpoint"]}}
    with conform(declaration, [], arrow=table) as scratch:
        assert scratch.column("SELECT count(*) FROM record") == [count]
        assert scratch.column("SELECT count(*) FROM identifier") == [count]
        assert scratch.column("SELECT count(DISTINCT _row) FROM refused") == [count // 1000]


def test_every_canonical_table_can_be_created_and_left_empty(conform: Any) -> None:
    to = {}
    for table in tables.CANONICAL.values():
        needed = {name for name, column in tables.mappable(table).items() if not column.nullable}
        to[table.name] = dict.fromkeys(needed | set(table.info["key"]), "NULL") | {"where": "false"}
    with conform(stream(to), [{"id": 1}]) as scratch:
        assert scratch.refused == []
        assert scratch.conformed.rows == 0


def test_an_id_of_a_connection_that_is_not_there_is_refused_at_lint() -> None:
    stream = Stream.model_validate(
        {
            "primary_key": ["id"],
            "to": {"payment": {"payment_id": "id", "order_id": "id_of('shopp', order_id)"}},
        }
    )
    with pytest.raises(ConfigError, match=r"payment\.order_id: .*'shopp'.*did you mean 'shop'"):
        check_references(stream, ["shop", "desk"])
