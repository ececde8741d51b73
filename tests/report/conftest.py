"""The small company's warehouse on both databases, and its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from html_page import HtmlPage
from report_bench import drawn, warehouse
from small_company import Company, fill

from cxflow.report.contents import Contents, read_all


@pytest.fixture(scope="session")
def company(database: str, postgresql: Callable[[], str]) -> Iterator[Company]:
    """The small company, once on each database. Not to be changed, but in a savepoint."""
    url = "duckdb:///:memory:" if database == "duckdb" else postgresql()
    with warehouse(url) as connection:
        found = Company(connection)
        fill(found)
        connection.commit()
        yield found


@pytest.fixture(scope="session")
def contents(company: Company) -> Contents:
    """What its report shows."""
    return read_all(company.connection, company.settings)


@pytest.fixture(scope="session")
def full_page() -> HtmlPage:
    """Its page in English; on DuckDB, as pages do not depend on the database."""
    return drawn(fill, "en")
