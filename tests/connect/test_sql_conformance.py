"""The kit, on the built-in connector `sql`, over three real databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgresql_server import Postgresql as Postgres
from sql_source import KINDS, PLUGINS, Shop
from trip_bench import NewWarehouse

from cxflow.testing import TestProject, conformance

_servers: list[Callable[[], str]] = []


@pytest.fixture(autouse=True, scope="module")
def _server(postgresql: Callable[[], str]) -> Iterator[None]:
    """The kit calls `source` with a folder alone: the server is found here."""
    _servers.append(postgresql)
    yield
    _servers.clear()


def sample(kind: str) -> Callable[[Path], None]:
    """Writes the sample: three orders, one of them changed."""

    def write(folder: Path) -> None:
        shop = Shop(kind, folder, _servers[0])
        shop.execute(
            "CREATE TABLE orders (id bigint, total decimal(10,2), email varchar(80), placed_at varchar(40), "
            f"updated_at {'timestamp' if kind != 'sqlite' else 'text'})",
            "INSERT INTO orders VALUES "
            "(1, 10.50, 'ada@example.org', '2026-03-01T10:00:00Z', '2026-03-01 10:00:00'), "
            "(2, 99.99, 'bob@example.org', '2026-03-01T11:00:00Z', '2026-03-02 08:00:00'), "
            "(3, 0.01, 'eve@example.org', '2026-03-01T12:00:00Z', '2026-03-01 12:00:00')",
        )

    return write


CONNECTION = {
    "connector": "sql",
    "url": {"file": "shop.url"},
    "timezone": "Europe/Madrid",
    "streams": {
        "orders": {
            "table": "orders",
            "cursor": ["updated_at", "id"],
            "primary_key": ["id"],
            "version": "updated_at",
            "identifiers": {"email": "email"},
            "pii": ["email"],
            "to": {
                "touchpoint": {
                    "activity": "'placed_order'",
                    "channel": "'web'",
                    "occurred_at": "placed_at",
                    "order_id": "id",
                },
                "order_header": {"order_id": "id", "created_at": "placed_at", "price_total": "total"},
            },
        }
    },
}

Postgresql = conformance(CONNECTION, sample("postgresql"), project={"plugins": PLUGINS})
TestSqlite = conformance(CONNECTION, sample("sqlite"), project={"plugins": PLUGINS})
TestDuckdb = conformance(CONNECTION, sample("duckdb"), project={"plugins": PLUGINS})


class TestPostgresql(Postgresql):
    """From one database of a server into another; the other kinds load into DuckDB."""

    @pytest.fixture(scope="class")
    @classmethod
    def new_warehouse(cls, postgresql: Postgres) -> NewWarehouse:
        return lambda: {"url": postgresql.copy(postgresql.migrated)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_row_is_updated_and_nothing_is_refused(kind: str, tmp_path: Path) -> None:
    sample(kind)(tmp_path)
    project = TestProject(tmp_path, {"plugins": PLUGINS, "connections": {"sample": CONNECTION}})
    (first,) = project.run(end=datetime(2026, 3, 5, tzinfo=UTC)).values()
    assert (first.counts.extracted, first.counts.inserted) == (3, 3)
    Shop(kind, tmp_path, (tmp_path / "shop.url").read_text).execute(
        "UPDATE orders SET total = 11.50, updated_at = '2026-03-05 09:00:00' WHERE id = 1"
    )
    (second,) = project.run(end=datetime(2026, 3, 6, tzinfo=UTC)).values()
    assert (second.counts.extracted, second.counts.updated) == (1, 1)
    assert [float(total) for (total,) in project.rows("order_header", "price_total")] == [0.01, 11.5, 99.99]
