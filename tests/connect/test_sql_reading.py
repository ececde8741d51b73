"""What the built-in connector `sql` reads, on three real databases: types, windows, keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sql_source import KINDS, NAIVE, Shop

from cxflow.errors import ConfigError, SourceError
from cxflow.model.reading import Cursor
from cxflow.model.window import Window

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
KEYSET = ["updated_at", "id"]


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, postgresql: Callable[[], str]) -> Shop:
    return Shop(request.param, tmp_path, postgresql)


TYPES = {
    "postgresql": "amount numeric(20,4), zoned timestamptz, naive timestamp, day date, vip boolean",
    "sqlite": "amount text, zoned text, naive text, day text, vip integer",
    "duckdb": "amount decimal(20,4), zoned timestamptz, naive timestamp, day date, vip boolean",
}


def test_values_arrive_as_they_are(shop: Shop) -> None:
    """SQLite has neither decimals nor times: what it holds as text stays text."""
    shop.execute(
        f"CREATE TABLE orders (id bigint, {TYPES[shop.kind]}, note text, late text)",
        "INSERT INTO orders VALUES (9007199254740993, '12345678901234.5678', '2026-03-02 10:00:00.123456+02:00', "
        "'2026-03-02 10:00:00.5', '2026-03-02', true, 'say \"it''s\"\n50%% :off ünï ☕', NULL)",
        "INSERT INTO orders VALUES (-9223372036854775808, '-0.0001', NULL, NULL, NULL, NULL, NULL, NULL)",
        "INSERT INTO orders VALUES (3, NULL, NULL, NULL, NULL, false, '', 'at last')",
    )
    first, second, third = shop.land(partition_rows=1 if shop.kind != "duckdb" else 20_000).records
    assert first["id"] == 9007199254740993
    assert second["id"] == -9223372036854775808
    assert first["note"].replace("%%", "%") == 'say "it\'s"\n50% :off ünï ☕'
    assert second["note"] is None
    assert third["note"] == ""
    assert (first["late"], third["late"]) == (None, "at last")
    assert Decimal(first["amount"]) == Decimal("12345678901234.5678")
    assert Decimal(second["amount"]) == Decimal("-0.0001")
    if shop.kind == "sqlite":
        assert first["naive"] == "2026-03-02 10:00:00.5"
        assert (first["vip"], third["vip"]) == (1, 0)
        return
    # Of three partitions two know no type of these columns: what they land is joined as text on PostgreSQL.
    assert str(first["naive"]).startswith("2026-03-02 10:00:00.5")
    assert str(first["day"]) == "2026-03-02"
    assert str(first["zoned"]).startswith("2026-03-02 08:00:00.123456+00")
    assert str(first["vip"]).lower() == "true"


def test_typed_columns_are_typed_in_the_landing_zone(shop: Shop) -> None:
    if shop.kind == "sqlite":
        pytest.skip("SQLite knows neither decimals nor times")
    shop.execute(
        f"CREATE TABLE orders (id bigint, {TYPES[shop.kind]})",
        "INSERT INTO orders VALUES (1, 10.5, '2026-03-02 10:00:00+02:00', '2026-03-02 10:00:00', '2026-03-02', true)",
    )
    landed = shop.land()
    assert landed.records == [
        {
            "id": 1,
            "amount": Decimal("10.5"),
            "zoned": datetime(2026, 3, 2, 8, tzinfo=UTC),
            "naive": datetime(2026, 3, 2, 10),  # noqa: DTZ001  without a zone is what it is
            "day": date(2026, 3, 2),
            "vip": True,
        }
    ]
    assert landed.manifest.raw_columns["amount"].startswith("DECIMAL")
    assert landed.manifest.raw_columns["naive"] == "TIMESTAMP"


def test_a_column_that_is_empty_at_first_keeps_its_values(shop: Shop) -> None:
    rows = ", ".join(f"({key}, {key if key > 2500 else 'NULL'})" for key in range(1, 5001))
    shop.execute("CREATE TABLE orders (id bigint, late bigint)", f"INSERT INTO orders VALUES {rows}")
    landed = shop.land(cursor=["id"], partition_rows=1000)
    assert [row["id"] for row in landed.records] == list(range(1, 5001))
    late = [row["late"] for row in landed.records]
    assert late[:2500] == [None] * 2500
    assert [int(value) for value in late[2500:]] == list(range(2501, 5001))


def test_what_has_no_plain_type_lands_as_text(shop: Shop) -> None:
    if shop.kind == "postgresql":
        shop.execute(
            "CREATE TABLE orders (id int, a jsonb, b int[], c uuid, d bytea, e interval)",
            """INSERT INTO orders VALUES (1, '{"n": 1.10, "t": ["x"]}', '{1,2}',
               '6f1c0f0e-0000-4000-8000-000000000001', '\\x00ff', '90 minutes'),
               (2, '"quoted"', NULL, NULL, NULL, NULL)""",
        )
    elif shop.kind == "duckdb":
        shop.execute(
            "CREATE TABLE orders (id int, a json, b int[], c uuid, d blob, e interval)",
            """INSERT INTO orders VALUES (1, '{"n": 1.10, "t": ["x"]}', [1,2],
               '6f1c0f0e-0000-4000-8000-000000000001', '\\x00\\xff'::blob, '90 minutes'),
               (2, '"quoted"', NULL, NULL, NULL, NULL)""",
        )
    else:
        shop.execute(
            "CREATE TABLE orders (id int, a, b, c, d, e)",
            """INSERT INTO orders VALUES (1, '{"n": 1.10, "t": ["x"]}', '[1, 2]',
               '6f1c0f0e-0000-4000-8000-000000000001', x'00ff', 5400.0), (2, '"quoted"', NULL, NULL, NULL, NULL)""",
        )
    first, second = shop.land().records
    assert first["a"].replace(" ", "") == '{"n":1.10,"t":["x"]}'
    assert second["a"] == '"quoted"'
    assert first["b"].replace(" ", "") == "[1,2]"
    assert first["c"] == "6f1c0f0e-0000-4000-8000-000000000001"
    assert first["d"] == "AP8="
    assert first["e"] == 5400.0


def test_a_column_of_mixed_kinds_lands_as_text(tmp_path: Path) -> None:
    shop = Shop("sqlite", tmp_path, None)
    shop.execute(
        "CREATE TABLE orders (id, amount, ratio)",
        "INSERT INTO orders VALUES (1, 12, 1), (2, 'twelve', 0.5), (3, 12.5, NULL)",
    )
    rows = shop.land().records
    assert [row["amount"] for row in rows] == ["12", "twelve", "12.5"]
    assert [row["ratio"] for row in rows] == [1.0, 0.5, None]


def test_a_column_that_bears_a_name_of_landing_gets_a_number(shop: Shop) -> None:
    shop.orders()
    names = 'SELECT 1 AS id, 2 AS "_row", 3 AS "Größe 1"'
    assert shop.land(query=names).records == [{"id": 1, "_row_2": 2, "Größe 1": 3}]


def test_a_query_may_hold_colons_and_percent_signs(shop: Shop) -> None:
    shop.orders((1, "2026-03-02 09:00:00+00:00"), (2, "2026-03-02 09:00:00+00:00"))
    query = (
        "WITH o AS (SELECT * FROM orders) SELECT id, 'at :noon, 12:30 {}' AS note FROM o "
        "WHERE 'a%b' LIKE '%:%' OR id = 2;"
    )
    assert shop.land(query=query, cursor=["id"]).records == [{"id": 2, "note": "at :noon, 12:30 {}"}]
    if shop.kind != "sqlite":
        assert shop.land(query="SELECT '7'::int AS id, ':x'::text AS note").records == [
            {"id": 7, "note": ":x"}
        ]


@pytest.mark.parametrize("source", [{"table": "orders"}, {"query": "SELECT * FROM orders -- all of them"}])
def test_a_window_holds_its_start_and_not_its_end(shop: Shop, source: dict[str, str]) -> None:
    shop.orders(
        (1, "2026-03-02 08:59:59.999999+00:00"),
        (2, "2026-03-02 09:00:00+00:00"),
        (3, "2026-03-02 09:59:59.999999+00:00"),
        (4, "2026-03-02 10:00:00+00:00"),
    )
    assert shop.land(start=NINE, end=TEN, cursor=KEYSET, **source).ids == [2, 3]
    assert shop.land(end=NINE, cursor=KEYSET, **source).ids == [1]
    assert shop.land(start=TEN, end=TEN + timedelta(hours=1), cursor=KEYSET, **source).ids == [4]


def test_times_without_a_zone_are_compared_on_the_clock_of_theirs(shop: Shop) -> None:
    """10:00 in Madrid was 09:00 UTC."""
    shop.orders((1, "2026-03-02 09:59:59"), (2, "2026-03-02 10:00:00"), (3, "2026-03-02 11:00:00"), of=NAIVE)
    here = {"connection": {"timezone": "Europe/Madrid"}}
    assert shop.land(start=NINE, end=TEN, cursor=KEYSET, **here).ids == [2]
    assert shop.land(end=NINE, cursor=KEYSET, **here).ids == [1]


def test_times_without_a_zone_need_one_declared(shop: Shop) -> None:
    shop.orders((1, "2026-03-02 09:59:59"), of=NAIVE)
    with pytest.raises(ConfigError, match="without a zone") as raised:
        shop.land(cursor=KEYSET)
    assert raised.value.place == "shop.orders"


def test_the_hour_that_clocks_show_twice_is_not_lost(shop: Shop) -> None:
    """On 25 October 2026 Madrid's clocks went from 03:00 back to 02:00, at 01:00 UTC. A run ended at 00:30 UTC,
    02:30 on the clock; what happened at 01:10 UTC is dated 02:10."""
    shop.orders((1, "2026-10-25 02:10:00"), of=NAIVE)
    half_past = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    here = {"connection": {"timezone": "Europe/Madrid"}}
    assert shop.land(start=half_past, end=half_past + timedelta(days=1), cursor=KEYSET, **here).ids == [1]


def test_a_column_of_days_is_read_when_the_day_has_begun_and_a_later_window_ends(shop: Shop) -> None:
    kinds = {"postgresql": "date", "sqlite": "text", "duckdb": "date"}
    shop.orders((1, "2026-03-01"), (2, "2026-03-02"), of=kinds)
    here = {"connection": {"timezone": "UTC"}}
    assert shop.land(start=NINE - timedelta(days=1), end=NINE, cursor=KEYSET, **here).ids == [1]
    assert shop.land(start=NINE, end=NINE + timedelta(days=1), cursor=KEYSET, **here).ids == [2]


@pytest.mark.parametrize(("cursor_type", "unit"), [("epoch", 1), ("epoch_ms", 1000)])
def test_times_may_be_counted_from_1970(shop: Shop, cursor_type: str, unit: int) -> None:
    nine = int(NINE.timestamp()) * unit
    rows = ((1, nine - 1), (2, nine), (3, nine + 3600 * unit - 1), (4, nine + 3600 * unit))
    shop.orders(*[(key, str(at)) for key, at in rows], of=dict.fromkeys(KINDS, "bigint"))
    assert shop.land(start=NINE, end=TEN, cursor=KEYSET, cursor_type=cursor_type).ids == [2, 3]


def test_equal_times_across_partitions_lose_and_double_nothing(shop: Shop) -> None:
    shop.orders(*[(key, "2026-03-02 09:00:00+00:00") for key in range(5000, 0, -1)])
    landed = shop.land(start=NINE, end=TEN, cursor=KEYSET, partition_rows=700)
    assert landed.ids == list(range(1, 5001))
    assert len(landed.manifest.parts) > 1


def test_a_key_is_remembered(shop: Shop) -> None:
    shop.orders(*[(key, "2026-03-02 09:00:00+00:00") for key in range(1, 6)])
    by_id = {"cursor": ["id"], "look_back_keys": 0}
    first = shop.land(last={}, **by_id)
    assert first.ids == [1, 2, 3, 4, 5]
    assert first.cursor == {"column": "id", "after": 5}
    shop.add((6, "2026-03-02 09:30:00+00:00"))
    second = shop.land(last=first.cursor, **by_id)
    assert second.ids == [6]
    third = shop.land(last=second.cursor, **by_id)
    assert third.ids == []
    assert third.cursor == {"column": "id", "after": 6}
    assert shop.land(**by_id).ids == [1, 2, 3, 4, 5, 6]


def test_a_transaction_that_commits_late_is_not_lost(shop: Shop) -> None:
    at = "2026-03-02 09:00:00+00:00"
    shop.orders((10, at), (12, at))
    first = shop.land(last={}, cursor=["id"])
    shop.add((11, at))
    assert 11 in shop.land(last=first.cursor, cursor=["id"]).ids


def test_a_cursor_of_another_column_is_no_cursor(shop: Shop) -> None:
    shop.orders((1, "2026-03-02 09:00:00+00:00"))
    assert shop.land(last={"column": "number", "after": 99}, cursor=["id"]).ids == [1]


def test_keys_may_be_texts(shop: Shop) -> None:
    shop.execute("CREATE TABLE orders (id varchar(10))", "INSERT INTO orders VALUES ('a1'), ('a3')")
    first = shop.land(last={}, cursor=["id"])
    shop.execute("INSERT INTO orders VALUES ('a4')")
    assert shop.land(last=first.cursor, cursor=["id"]).ids == ["a4"]


def test_rows_without_a_cursor_are_not_passed_over_in_silence(shop: Shop) -> None:
    shop.orders((1, "2026-03-02 09:00:00+00:00"), (2, None))
    with pytest.raises(SourceError, match="rows without 'updated_at'"):
        shop.land(cursor=KEYSET)
    assert sorted(shop.land(cursor=KEYSET, without_cursor="read").ids) == [1, 2]
    assert shop.land(cursor=KEYSET, without_cursor="skip").ids == [1]


def test_a_stream_without_a_cursor_is_read_whole_each_time(shop: Shop) -> None:
    shop.orders((1, "2026-03-02 09:00:00+00:00"), (2, None))
    first = shop.land(last={})
    assert shop.land(last=first.cursor, start=TEN).ids == first.ids == [1, 2]


def test_an_empty_table_is_no_error(shop: Shop) -> None:
    shop.orders()
    assert shop.land(cursor=KEYSET).ids == shop.land().ids == []


def test_records_are_received_when_the_extraction_begins(shop: Shop) -> None:
    shop.orders((1, "2026-03-02 09:00:00+00:00"))
    before = datetime.now(UTC)
    landed = shop.land()
    assert before <= landed.received[0] <= datetime.now(UTC)
    assert landed.origins == ["orders"]


def test_a_plan_is_one_line(shop: Shop) -> None:
    shop.orders()
    window = Window(NINE, TEN)

    def plan(last: Cursor | None = None, **stream: Any) -> list[str]:
        connector = shop.connector(**stream)
        return connector.plan(connector.stream("orders"), window, last)

    assert plan(cursor=KEYSET) == [f"orders with updated_at in {window}"]
    assert plan({"column": "id", "after": 4000}, cursor=["id"]) == ["orders with id after 4000 less 1,000"]
    assert plan(query="SELECT *\n  FROM orders") == ["query SELECT * FROM orders, whole"]


def test_what_there_is_to_read_is_told_by_the_cursor(shop: Shop) -> None:
    shop.orders((1, "2026-03-02 10:00:00+00:00"), (2, None), (3, "2026-03-04 11:30:00+00:00"))
    connector = shop.connector(cursor=KEYSET)
    offset = "+00:00" if shop.kind == "sqlite" else "+00"  # as each database writes a time as text
    expected = f"updated_at goes from 2026-03-02 10:00:00{offset} to 2026-03-04 11:30:00{offset}"
    assert connector.available(connector.stream("orders")) == expected
    connector = shop.connector(cursor=["id"])
    assert connector.available(connector.stream("orders")) == "id goes from 1 to 3"
    connector = shop.connector(query="SELECT 1772445600000 AS id", cursor=["id"], cursor_type="epoch_ms")
    told = "1772445600000 (2026-03-02T10:00:00Z)"
    assert connector.available(connector.stream("orders")) == f"id goes from {told} to {told}"
    shop.execute("DELETE FROM orders WHERE id <> 2")
    connector = shop.connector(cursor=KEYSET)
    assert connector.available(connector.stream("orders")) == "no row has a value in updated_at"


def test_an_infinite_cursor_is_no_edge_of_what_there_is(
    tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    shop = Shop("postgresql", tmp_path, postgresql)
    shop.orders((1, "infinity"), (2, "2026-03-02 10:00:00+00:00"), (3, "-infinity"))
    connector = shop.connector(cursor=["updated_at"])
    at = "2026-03-02 10:00:00+00"
    assert connector.available(connector.stream("orders")) == f"updated_at goes from {at} to {at}"
