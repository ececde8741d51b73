"""The warehouse of the KPI tests: DuckDB in memory, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from kpi_desk import Desk
from sqlalchemy import Connection, StaticPool, create_engine

from cxflow.warehouse.tables import metadata


@pytest.fixture(scope="session")
def warehouse(database: str, postgresql: Callable[[], str]) -> Iterator[Connection]:
    url = "duckdb:///:memory:" if database == "duckdb" else postgresql()
    engine = create_engine(url, poolclass=StaticPool)
    with engine.connect() as connection:
        metadata.create_all(connection)
        connection.commit()
        yield connection
        metadata.drop_all(connection)
        connection.commit()
    engine.dispose()


@pytest.fixture
def desk(warehouse: Connection) -> Iterator[Desk]:
    yield Desk(warehouse)
    warehouse.rollback()
