"""The warehouse of the KPI tests: DuckDB in memory, and PostgreSQL where CXFLOW_TEST_POSTGRES has its URL."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from kpi_desk import Desk
from sqlalchemy import Connection, StaticPool, create_engine

from cxflow.store.tables import metadata

URLS = {"duckdb": "duckdb:///:memory:", "postgres": os.environ.get("CXFLOW_TEST_POSTGRES", "")}


@pytest.fixture(scope="session", params=[name for name, url in URLS.items() if url])
def warehouse(request: pytest.FixtureRequest) -> Iterator[Connection]:
    engine = create_engine(URLS[request.param], poolclass=StaticPool)
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
