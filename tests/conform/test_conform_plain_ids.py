"""An id is the same whether a tool wrote it as a whole number or as a floating one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from trip_bench import Bench, conformed

from cxflow.conform.plain_ids import plain
from cxflow.settings import Settings, load


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'1001'", "1001"),
        ("'1001.0'", "1001"),
        ("'1001.000'", "1001"),
        ("'-7.0'", "-7"),
        ("'1001,0'", "1001"),
        ("'1,000'", "1,000"),
        ("'1001.5'", "1001.5"),
        ("'1001.10'", "1001.10"),
        ("'A1001.0'", "A1001.0"),
        ("'1.2.0'", "1.2.0"),
        ("'.0'", ".0"),
        ("'007'", "007"),
        ("'100'", "100"),
        ("' 1001.0 '", "1001"),
        ("' A 1 '", "A 1"),
        ("1001", "1001"),
        ("1001::DOUBLE", "1001"),
        ("1001.5::DOUBLE", "1001.5"),
        ("9007199254740993::BIGINT", "9007199254740993"),
        ("1001.00::DECIMAL(18, 2)", "1001"),
        ("1001.50::DECIMAL(18, 2)", "1001.50"),
        ("12345678901234567890::DECIMAL(38, 2)", "12345678901234567890"),
        ("'1.23457E+15'", "1.23457E+15"),
        ("NULL::VARCHAR", None),
        ("NULL::DOUBLE", None),
        ("'nan'::DOUBLE", "nan"),
    ],
)
def test_an_id_as_plain_text(value: str, text: str | None) -> None:
    with duckdb.connect() as database:
        kind = database.execute(f"SELECT typeof({value})").fetchone()
        assert kind is not None
        found = database.execute(f"SELECT {plain('x', kind[0])} FROM (SELECT {value} AS x)").fetchone()
    assert found == (text,)


ORDERS = {
    "primary_key": ["id"],
    "identifiers": {"customer": "customer"},
    "to": {
        "order_header": {"order_id": "id", "created_at": "'2026-03-01T10:00:00Z'"},
        "order_line": {"order_id": "id", "line_no": "'1'", "product_id": "product"},
    },
}
WHOLE = {"id": "1001", "customer": "7", "product": "12"}
FLOATING = {"id": "1001.0", "customer": "7.0", "product": "12.0"}


def made(folder: Path, record: dict[str, Any]) -> list[tuple[Any, ...]]:
    (folder / "cxflow.toml").write_text(
        'identity = { store_values = "clear" }\nconnections = { shop = { connector = "files" } }\n'
    )
    with conformed(load(folder), folder, ORDERS, [record]) as scratch:
        return scratch.rows(
            "SELECT r.record_id, r.content_hash, o.order_id, l.order_id, l.product_id, i.identity_value FROM record r "
            "JOIN order_header o USING (_row) JOIN order_line l USING (_row) JOIN identifier i USING (_row)"
        )


@pytest.mark.parametrize(
    "record", [FLOATING, {"id": 1001.0, "customer": 7.0, "product": 12.0}], ids=["text", "number"]
)
def test_keys_foreign_ids_and_identifiers_of_floating_numbers_are_those_of_whole_ones(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    whole = made(tmp_path, WHOLE)
    assert whole[0][2:] == ("shop:1001", "shop:1001", "shop:12", "7")
    assert made(tmp_path, record) == whole


def test_a_telephone_number_that_became_a_decimal_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_text(
        'project = { country = "ES" }\nidentity = { store_values = "clear" }\n'
        'connections = { shop = { connector = "files" } }\n'
    )
    declaration = {**ORDERS, "identifiers": {"phone": "phone"}}
    records = [{**WHOLE, "phone": "600111222"}, {**WHOLE, "id": "2", "phone": "600111222.0"}]
    with conformed(load(tmp_path), tmp_path, declaration, records) as scratch:
        assert scratch.column("SELECT DISTINCT identity_value FROM identifier") == ["+34600111222"]


def test_ids_that_a_spreadsheet_cut_short_are_counted(settings: Settings, tmp_path: Path) -> None:
    declaration = {key: value for key, value in ORDERS.items() if key != "identifiers"}
    records = [
        {"id": "1.23457E+15", "product": "8.1e+12"},
        {"id": "E+1", "product": "12"},
        {"id": "3", "product": "1E+10"},
    ]
    with conformed(settings, tmp_path, declaration, records) as scratch:
        assert scratch.conformed.report["mangled_ids"] == {
            "primary_key": 1,
            "order_header.order_id": 1,
            "order_line.order_id": 1,
            "order_line.product_id": 2,
        }


def test_a_delivery_of_floating_numbers_after_one_of_whole_ones_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"things": {key: value for key, value in ORDERS.items() if key != "identifiers"}})
    bench.load([WHOLE])
    report = bench.load([FLOATING])
    assert (report.counts.inserted, report.counts.unchanged) == (0, 1)
    assert bench.rows("order_header", "order_id") == [("shop:1001",)]
