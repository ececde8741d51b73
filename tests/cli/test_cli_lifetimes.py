"""`cxflow lifetimes`, over the project that `cxflow init` writes with orders put beside its surveys."""

from __future__ import annotations

import csv
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cli_runner import cxflow, edit
from sqlalchemy import insert

from cxflow.settings import load
from cxflow.warehouse import transactions
from cxflow.warehouse.tables import order_header


@pytest.fixture
def shop(own: Path) -> Path:
    """A shop with the orders of 150 customers, who bought nowhere before."""
    lot = np.random.default_rng(3)
    rows = []
    for number in range(150):
        when = datetime(2025, 1, 1, 12, tzinfo=UTC) + timedelta(days=int(lot.integers(0, 60)))
        pause, stops, scale = 1 / lot.gamma(0.8, 1 / 30), lot.beta(1.2, 2.5), 1 / lot.gamma(4, 1 / 30)
        while when < datetime(2025, 8, 1, tzinfo=UTC):
            rows.append(
                {
                    "order_id": f"shop:{len(rows)}",
                    "customer_id": f"c{number}",
                    "created_at": when,
                    "price_total": round(float(lot.gamma(5, scale * 10)) + 1, 2),
                    "currency_code": "EUR",
                    "source_system": "shop",
                    "source_object": "orders",
                    "source_record_id": str(len(rows)),
                    "is_deleted": False,
                    "run_id": "run",
                    "loaded_at": when,
                }
            )
            when += timedelta(days=min(int(lot.exponential(pause)), 999) + 1)
            if lot.random() < stops:
                break
    edit(own, "[project]", "[kpis]\nnew_after_days = 0\n\n[project]")
    with transactions.transaction(load(own)) as connection:
        connection.execute(insert(order_header), rows)
    return own


def test_it_says_what_customers_will_be_worth_and_writes_each(shop: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "lifetimes.csv"
    answer = cxflow("lifetimes", "--months", 6, "--output", path, "--json", project=shop)
    assert answer.code == 0
    assert (answer.json["customers"], answer.json["months"], answer.json["currency"]) == (150, 6, "EUR")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["customer_id", "repeats", "alive", "expected_orders", "expected_value"]
    values = [float(row["expected_value"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert sum(values) / 150 == pytest.approx(answer.json["expected_value"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = cxflow("lifetimes", project=shop)
    assert shown.code == 0
    assert "value in 12 months, per customer" in shown.out


def test_without_enough_customers_it_says_what_it_takes(loaded: Path) -> None:
    answer = cxflow("lifetimes", project=loaded)
    assert answer.code != 0
    assert "too few to predict" in answer.err


def test_a_file_that_cannot_be_written_is_named(shop: Path, tmp_path: Path) -> None:
    assert "--output is a folder" in cxflow("lifetimes", "--output", tmp_path, project=shop).err
    (tmp_path / "file").touch()
    answer = cxflow("lifetimes", "--output", tmp_path / "file" / "lifetimes.csv", project=shop)
    assert answer.code != 0
    assert "cannot be written" in answer.err
