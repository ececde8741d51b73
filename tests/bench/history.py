"""A long history without the hours of loading it: what is loaded already, again under earlier numbers and times."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from records import HISTORY_DAYS

from cxflow.settings import load
from cxflow.warehouse import tables, transactions

_TABLES = (
    "touchpoint",
    "survey_response",
    "interaction",
    "touchpoint_judgement",
    "source_record",
    "record_identity",
    "customer_identity",
    "customer",
)
_NEW_ID = "'T' || lpad(CAST(CAST(substr({0}, 2) AS BIGINT) - n * {1} AS VARCHAR), 9, '0')"


def multiply(folder: Path, known: int, times: int) -> None:
    """Bring a warehouse with `known` records to `times` as many. Each copy has its own numbers, keys, touchpoints and
    customers, and times earlier by the length of the history; the rest is the original's."""
    with transactions.transaction(load(folder)) as warehouse:
        series = "generate_series" if warehouse.dialect.name == "postgresql" else "range"
        last = times - 1 if warehouse.dialect.name == "postgresql" else times
        numbers = f"{series}(1, {last}) AS copies(n)"
        record = _NEW_ID.format("t.source_record_id", known)
        for name in _TABLES:
            table = tables.metadata.tables[name]
            replaced = {
                "source_record_id": record,
                "touchpoint_id": "md5(t.touchpoint_id || '/' || n)",
                "judgement_id": "md5(t.judgement_id || '/' || n)",
                "response_id": f"'desk:' || {record}",
                "interaction_id": f"'desk:' || {record}",
                "customer_id": "md5(t.customer_id || '/' || n)",
                "identity_hash": "CAST(md5(CAST(t.identity_hash AS VARCHAR) || '/' || n) AS UUID)",
            }
            columns = [column.name for column in table.columns]
            replaced |= {
                column.name: f"t.{column.name} - n * INTERVAL '{HISTORY_DAYS} days'"
                for column in table.columns
                if column.type is tables.TIME and column.name != "loaded_at"
            }
            values = ", ".join(replaced.get(column, f"t.{column}") for column in columns)
            warehouse.execute(
                sa.text(f"INSERT INTO {name} ({', '.join(columns)}) SELECT {values} FROM {name} t, {numbers}")
            )
