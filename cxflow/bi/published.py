"""What a warehouse has published: the views with their columns, and the KPIs with their slices.

Read in one transaction, from the warehouse or from its snapshot.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cxflow.bi.rollups import TABLE, Rollup, rollup
from cxflow.duck import identifier
from cxflow.errors import SchemaError
from cxflow.kpis import catalogue
from cxflow.kpis.kpi import Kpi
from cxflow.publish import marts
from cxflow.settings import Settings

_COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position
"""
_KPIS = f"""
    SELECT kpi, dimension, count(DISTINCT dimension_value)
    FROM {TABLE} WHERE n > 0 GROUP BY kpi, dimension
"""


@dataclass(frozen=True, slots=True)
class PublishedKpi:
    """A KPI that has values."""

    declared: Kpi
    rollup: Rollup
    dimensions: Mapping[str, int]
    """What its values are sliced by, to the number of slices; empty text: the whole."""

    @property
    def described(self) -> str:
        """What it tells, its formula and its unit, in English."""
        declared = self.declared
        return f"{declared.description or declared.title} [{declared.formula}; {declared.unit}]"


@dataclass(frozen=True, slots=True)
class Published:
    """What BI can read."""

    schema: str
    """The database's schema of the views."""
    views: Mapping[str, Mapping[str, str]]
    """Mart to its columns, each with the database's type."""
    filled: Callable[[str, str | None], bool]
    """Whether a mart has rows, or rows with a value in a column. Asks the database: call it in the transaction."""
    kpis: Mapping[str, PublishedKpi]
    """By name, in the order of the catalogue."""


def model_name(settings: Settings) -> str:
    """The name of the project's semantic model: tools allow no hyphen."""
    return f"cxflow_{settings.project.name.replace('-', '_')}"


def read(connection: sa.Connection, settings: Settings) -> Published:
    """What is published. Raises SchemaError if the views of this version are not."""
    views: dict[str, dict[str, str]] = {name: {} for name in marts.read_all()}
    for view, column, type_ in connection.exec_driver_sql(_COLUMNS):
        if view in views:
            views[view][column] = type_.upper()
    for name, mart in marts.read_all().items():
        if list(views[name]) != list(mart.columns):
            raise SchemaError(
                f"the view {name} is not published as this version declares it", fix="run `cxflow publish`"
            )
    slices: dict[str, dict[str, int]] = {}
    for kpi, dimension, values in connection.exec_driver_sql(_KPIS):
        slices.setdefault(kpi, {})[dimension] = values
    kpis = {
        name: PublishedKpi(kpi, rollup(kpi, settings), slices[name])
        for name, kpi in catalogue.of_project(settings).items()
        if name in slices
    }
    schema = str(connection.exec_driver_sql("SELECT current_schema()").scalar_one())

    @functools.cache
    def filled(view: str, column: str | None) -> bool:
        where = f" WHERE {identifier(column)} IS NOT NULL" if column else ""
        found = connection.exec_driver_sql(f"SELECT 1 FROM {identifier(view)}{where} LIMIT 1")
        return found.first() is not None

    return Published(schema, views, filled, kpis)
