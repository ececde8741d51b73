"""Makes the warehouses of companies, and their pages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from html_page import HtmlPage
from small_company import Company

from cxflow.report import page
from cxflow.report.contents import Contents, read_all
from cxflow.report.phrases import LANGUAGES, Language
from cxflow.warehouse.tables import metadata

Filling = Callable[[Company], None]


@contextmanager
def warehouse(url: str) -> Iterator[sa.Connection]:
    """A connection to a new warehouse, which is gone afterwards."""
    engine = sa.create_engine(url, poolclass=sa.StaticPool)
    with engine.connect() as connection:
        metadata.create_all(connection)
        connection.commit()
        yield connection
        connection.rollback()
        metadata.drop_all(connection)
        connection.commit()
    engine.dispose()


@functools.cache
def drawn(filling: Filling, language: Language) -> HtmlPage:
    """The page of a company."""
    return HtmlPage(page.render(contents_of(filling)[language]))


@functools.cache
def contents_of(filling: Filling) -> dict[Language, Contents]:
    """What the report of a company shows, in each language."""
    with warehouse("duckdb:///:memory:") as connection:
        company = Company(connection)
        filling(company)
        return {language: read_all(connection, company.settings, language=language) for language in LANGUAGES}
