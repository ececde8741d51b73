"""The warehouse's tables, once, as SQLAlchemy metadata: migrations, mapping, load and KPIs all read them here.

Three kinds: *canonical* tables, which mappings fill (`CANONICAL`); *derived* ones, which cxflow computes
(customers, KPI values); and the *books* (ledger, cursors, quarantine, the registry of source records). Every
column says what it holds, with its unit: the data dictionary in `docs/` is generated from here.

Ids that come from a source are stored as `system:id`, so that two shops may both have an order 1 and yet a
review can point at one of them. Times are UTC.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table

from cxflow.warehouse.canonical import (
    case_status_history,
    customer_profile,
    delivery,
    interaction,
    lead,
    opportunity,
    order_header,
    order_line,
    organisation,
    payment,
    product,
    refund,
    review,
    signal,
    support_case,
    survey_response,
    touchpoint,
)
from cxflow.warehouse.columns import MONEY, PROVENANCE, TIME, metadata
from cxflow.warehouse.system_tables import (
    VERSION_TABLE,
    customer,
    customer_identity,
    kpi_day,
    kpi_definition,
    kpi_value,
    load_run,
    pending_identity,
    pending_kpi,
    quarantine,
    record_identity,
    source_record,
    stream_lock,
    stream_state,
)

__all__ = [
    "CANONICAL",
    "KEYS",
    "MONEY",
    "PROVENANCE",
    "TIME",
    "VERSION_TABLE",
    "case_status_history",
    "customer",
    "customer_identity",
    "customer_profile",
    "delivery",
    "interaction",
    "kpi_day",
    "kpi_definition",
    "kpi_value",
    "lead",
    "load_run",
    "mappable",
    "metadata",
    "opportunity",
    "order_header",
    "order_line",
    "organisation",
    "payment",
    "pending_identity",
    "pending_kpi",
    "product",
    "quarantine",
    "record_identity",
    "refund",
    "review",
    "signal",
    "source_record",
    "stream_lock",
    "stream_state",
    "support_case",
    "survey_response",
    "times",
    "touchpoint",
]

CANONICAL: dict[str, Table] = {
    table.name: table for table in metadata.sorted_tables if table.info["kind"] == "canonical"
}
"""The tables a mapping may fill, by name."""

KEYS: dict[str, tuple[str, ...]] = {
    table.name: table.info["key"] for table in metadata.sorted_tables if table.info["key"]
}
"""What is unique in each table that has a key. The load keeps it so; DuckDB gets no index for it (see `dialect`)."""


def times(table: Table) -> tuple[str, ...]:
    """The columns of a canonical table that say when something happened: any of them may date a KPI."""
    return tuple(
        name
        for name, column in mappable(table).items()
        if column.type is TIME and not column.info.get("planned") and name != "received_at"
    )


def mappable(table: Table) -> dict[str, Column[Any]]:
    """The columns of a canonical table that a mapping may fill."""
    return {
        column.name: column
        for column in table.columns
        if column.name not in PROVENANCE and not column.info.get("identity")
    }
