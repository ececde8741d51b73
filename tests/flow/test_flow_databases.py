"""The whole trip on both databases: the same rows, customers, KPIs and books."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cxflow_demo
import pytest
from cxflow_demo.company import Company
from cxflow_demo.simulation import generate
from postgresql_server import Postgresql

from cxflow.testing import TestProject

MADRID = ZoneInfo("Europe/Madrid")
HISTORY = datetime(2026, 3, 25, tzinfo=MADRID)
BUT_SIGHTINGS = {
    "customer": ("customer_id", "merged_into_id", "first_seen_at", "segment", "consent", "country"),
    "customer_identity": (
        "namespace",
        "identity_hash",
        "customer_id",
        "match_rule",
        "confidence",
        "valid_to",
    ),
    "record_identity": (
        "source_system",
        "source_object",
        "source_record_id",
        "namespace",
        "identity_hash",
    ),
}
"""What two runs share of customers: a record without an event, such as a review that is not published, is seen when it
is read."""


@pytest.fixture(scope="module")
def both(
    postgresql: Postgresql, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TestProject, TestProject]]:
    """The history and the first two days, on DuckDB and on PostgreSQL: exports, and services that are asked."""
    source = tmp_path_factory.mktemp("company")
    company = Company(generate(source, scale=0.05).deliveries)
    text = (Path(cxflow_demo.__file__).parent / "cxflow.toml").read_text()
    # So small a company has as many defects as a large one: the gate is not what is tested here.
    text += "\n[quality]\nmax_rejected_share = 1.0\n"
    databases = {"duckdb": None, "postgresql": {"url": postgresql.copy(postgresql.migrated)}}
    found = []
    with pytest.MonkeyPatch.context() as patch, company.served() as urls:
        for name, value in company.environment(urls).items():
            patch.setenv(name, value)
        for name, warehouse in databases.items():
            folder = tmp_path_factory.mktemp(name)
            shutil.copytree(source / "exports", folder / "exports")
            each = TestProject(folder, text, warehouse=warehouse)
            company.show(HISTORY.date() - timedelta(days=1))
            each.run(mode="backfill", end=HISTORY)
            each.settle()
            company.show(HISTORY.date() + timedelta(days=1))
            each.run(end=HISTORY + timedelta(days=2))
            each.settle()
            found.append(each)
        yield found[0], found[1]


def kpis(each: TestProject) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = each.query(
        "SELECT kpi, grain, period_start, dimension, dimension_value, n, value, ci_low, ci_high FROM mart_kpi"
    )
    return {
        row[:5]: (row[5], *(pytest.approx(number) if number else number for number in row[6:]))
        for row in rows
    }


def test_both_databases_come_to_the_same_rows_and_customers(both: tuple[TestProject, TestProject]) -> None:
    duckdb, postgresql = both
    found, expected = postgresql.digest(), duckdb.digest()
    for table, columns in BUT_SIGHTINGS.items():
        assert postgresql.rows(table, *columns) == duckdb.rows(table, *columns)
        assert found.pop(table)
        assert expected.pop(table)
    assert found == expected
    assert len(postgresql.rows("touchpoint", "touchpoint_id")) > 500
    assert postgresql.books_balance()


def test_both_databases_come_to_the_same_kpis(both: tuple[TestProject, TestProject]) -> None:
    duckdb, postgresql = both
    assert kpis(postgresql) == kpis(duckdb)
    assert len(kpis(postgresql)) > 1000


def test_both_databases_keep_the_same_books_and_quarantine(both: tuple[TestProject, TestProject]) -> None:
    duckdb, postgresql = both
    books = (
        "source_system",
        "source_object",
        "mode",
        "extracted",
        "inserted",
        "updated",
        "quarantined",
        "report",
    )
    assert postgresql.rows("load_run", *books) == duckdb.rows("load_run", *books)
    refused = (
        "source_system",
        "source_object",
        "source_record_id",
        "rule",
        "column_name",
        "raw_value",
        "status",
    )
    assert postgresql.rows("quarantine", *refused) == duckdb.rows("quarantine", *refused)
