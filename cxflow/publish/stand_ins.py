"""The warehouse's tables as temporary views of the marts, for reading a snapshot. Called by `snapshot`.

What no mart shows is null, and a table that no mart is about is empty.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from cxflow.publish import marts
from cxflow.warehouse.engines.base import create_view
from cxflow.warehouse.tables import metadata

_MARTS: Mapping[str, str] = {
    "customer": "mart_customer",
    "interaction": "mart_interaction",
    "kpi_complete": "mart_kpi_complete",
    "kpi_definition": "mart_kpi_definition",
    "kpi_left_out": "mart_kpi_left_out",
    "kpi_status": "mart_kpi_definition",
    "kpi_value": "mart_kpi_history",
    "load_run": "mart_load",
    "order_header": "mart_order",
    "quarantine": "mart_quarantine",
    "review": "mart_review",
    "stream_state": "mart_freshness",
    "support_case": "mart_support_case",
    "survey_response": "mart_survey_response",
    "touchpoint": "mart_touchpoint",
    "touchpoint_judgement": "mart_experience",
}
"""Table to the mart with a row for each of its rows that are not deleted."""
_RENAMED: Mapping[tuple[str, str], str] = {
    ("kpi_status", "reason"): "status_reason",
    ("kpi_status", "since"): "status_since",
}
"""Table and column to the column's name in the mart."""


def statements(dialect: sa.Dialect) -> list[str]:
    """The SQL that makes the views."""
    shown = {name: set(mart.columns) for name, mart in marts.read_all().items()}
    return [
        create_view(table.name, _query(table, shown, dialect), "OR REPLACE TEMP")
        for table in metadata.sorted_tables
    ]


def _query(table: sa.Table, shown: Mapping[str, set[str]], dialect: sa.Dialect) -> str:
    mart = _MARTS.get(table.name)
    columns = [_column(column, shown[mart] if mart else set(), dialect) for column in table.columns]
    source = f"FROM {mart}" if mart else "WHERE FALSE"
    return f"SELECT {', '.join(columns)} {source}"


def _column(column: sa.Column[object], shown: set[str], dialect: sa.Dialect) -> str:
    name = _RENAMED.get((str(column.table.name), column.name), column.name)
    if name in shown:
        return f'{name} AS "{column.name}"'
    value = "FALSE" if column.name == "is_deleted" else "NULL"
    return f'CAST({value} AS {column.type.compile(dialect)}) AS "{column.name}"'
