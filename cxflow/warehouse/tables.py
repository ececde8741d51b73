"""The warehouse's tables as SQLAlchemy metadata, which migrations, mapping, load and KPIs all read.

Three kinds: *canonical* tables, which mappings fill (`CANONICAL`); *derived* tables, which cxflow computes (customers,
KPI values); and *system* tables (ledger, cursors, quarantine, the registry of source records). Every column has a
description with its unit: the data dictionary in `docs/` is generated from here.

Ids that come from a source are stored as `system:id`, because two shops may both have an order 1. Times are UTC.
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
    survey_invitation,
    survey_response,
    touchpoint,
)
from cxflow.warehouse.columns import MONEY, PROVENANCE, TIME, metadata
from cxflow.warehouse.customer_tables import (
    customer,
    customer_history,
    customer_identity,
    profile_version,
)
from cxflow.warehouse.kpi_tables import (
    business_hours,
    kpi_complete,
    kpi_day,
    kpi_day_customer,
    kpi_definition,
    kpi_horizon,
    kpi_left_out,
    kpi_status,
    kpi_value,
    touchpoint_judgement,
)
from cxflow.warehouse.system_tables import (
    VERSION_TABLE,
    alert,
    applied_settings,
    key_claim,
    load_run,
    pending_identity,
    pending_kpi,
    pending_text,
    quarantine,
    record_identity,
    record_sighting,
    source_record,
    stream_lock,
    stream_snapshot,
    stream_state,
)

__all__ = [
    "CANONICAL",
    "KEYS",
    "MONEY",
    "PROVENANCE",
    "TIME",
    "VERSION_TABLE",
    "alert",
    "applied_settings",
    "business_hours",
    "case_status_history",
    "customer",
    "customer_history",
    "customer_identity",
    "customer_profile",
    "delivery",
    "interaction",
    "key_claim",
    "kpi_complete",
    "kpi_day",
    "kpi_day_customer",
    "kpi_definition",
    "kpi_horizon",
    "kpi_left_out",
    "kpi_status",
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
    "pending_text",
    "product",
    "profile_version",
    "quarantine",
    "record_identity",
    "record_sighting",
    "refund",
    "review",
    "signal",
    "source_record",
    "stream_lock",
    "stream_snapshot",
    "stream_state",
    "support_case",
    "survey_invitation",
    "survey_response",
    "texts",
    "times",
    "touchpoint",
    "touchpoint_judgement",
]

CANONICAL: dict[str, Table] = {
    table.name: table for table in metadata.sorted_tables if table.info["kind"] == "canonical"
}
"""The tables a mapping may fill, by name."""

KEYS: dict[str, tuple[str, ...]] = {
    table.name: table.info["key"] for table in metadata.sorted_tables if table.info["key"]
}
"""The unique key of each table that has one. The load keeps keys unique; on DuckDB there is no index for them."""


def times(table: Table) -> tuple[str, ...]:
    """The times of events in a canonical table: a KPI may be dated by any of them."""
    return tuple(
        name
        for name, column in mappable(table).items()
        if column.type is TIME and not column.info.get("planned") and name != "received_at"
    )


def texts(table: Table) -> tuple[str, ...]:
    """The columns of a canonical table that hold what a customer wrote."""
    return tuple(column.name for column in table.columns if column.info.get("text"))


def mappable(table: Table) -> dict[str, Column[Any]]:
    """The columns of a canonical table that a mapping may fill."""
    return {
        column.name: column
        for column in table.columns
        if column.name not in PROVENANCE and not column.info.get("identity")
    }
