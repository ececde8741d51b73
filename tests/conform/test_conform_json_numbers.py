"""Numbers of JSON keep all their digits on the way to the warehouse."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from cxflow.conform import json_numbers
from cxflow.testing import TestProject


def read(*records: str) -> list[dict[str, str]]:
    """Records as DuckDB reads them, every scalar as text."""
    with duckdb.connect() as database:
        payload = json_numbers.exact(database, "payload")
        names = {name: "VARCHAR" for record in records for name in json.loads(record)}
        rows = database.execute(
            f"SELECT from_json({payload}, ?) FROM (SELECT unnest(?::VARCHAR[]) AS payload)",
            [json.dumps(names), list(records)],
        ).fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    "number",
    [
        "12345678901234567.123456789",
        "-0.10000000000000000555",
        "1234567890123456.78",
        "9007199254740993.0",
        "0.14285714285714285",
        "1.5",
        "123456789012345678901234567890",
        "12345678901234567.5e3",
    ],
)
def test_a_number_keeps_its_digits_wherever_it_stands(number: str) -> None:
    [found] = read(f'{{"a": {number}, "b": "x", "c": -1}}')
    assert found == {"a": number, "b": "x", "c": "-1"}


def test_what_looks_like_a_number_within_a_text_is_left_alone() -> None:
    text = 'call +34.600.12345678901234567.5, "12345678901234567.123456789" \\ twice'
    record = json.dumps({"text": text, "amount": 1})
    [found] = read(record[:-1] + ', "long": 12345678901234567.123456789}')
    assert found == {"text": text, "amount": "1", "long": "12345678901234567.123456789"}


def test_a_money_amount_reaches_the_warehouse_to_the_cent(tmp_path: Path) -> None:
    stream = {
        "path": "orders.json*",
        "primary_key": ["id"],
        "to": {"order_header": {"order_id": "id", "created_at": "day", "price_total": "total"}},
    }
    record = '{"id": 1, "day": "2026-03-01T10:00:00Z", "total": 12345678901234.5678}'
    for name, text in (("orders.jsonl", record), ("orders.json", f"[{record.replace('1,', '2,', 1)}]")):
        (tmp_path / name).write_text(text)
    project = TestProject(
        tmp_path, {"connections": {"shop": {"connector": "files", "streams": {"orders": stream}}}}
    )
    project.run()
    assert project.query("SELECT DISTINCT price_total FROM order_header") == [
        (Decimal("12345678901234.5678"),)
    ]
