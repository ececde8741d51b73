"""A prepared batch into PostgreSQL by hand: Arrow into staging tables through ADBC, then one MERGE for each table.

python by_hand_postgresql.py URL BATCH
"""

from __future__ import annotations

import sys

import adbc_driver_postgresql.dbapi
import duckdb

TABLES = {
    "touchpoint": (
        ["touchpoint_id"],
        {
            "touchpoint_id": "text",
            "occurred_at": "timestamptz",
            "ended_at": "timestamptz",
            "received_at": "timestamptz",
            "anonymous_id": "text",
            "agent_id": "text",
            "activity": "text",
            "channel": "text",
            "order_id": "text",
            "reason": "text",
            "revenue_impact": "numeric(18, 4)",
            "currency_code": "text",
        },
    ),
    "survey_response": (
        ["response_id", "question_id"],
        {
            "response_id": "text",
            "question_id": "text",
            "touchpoint_id": "text",
            "metric_type": "text",
            "rating_value": "float8",
            "responded_at": "timestamptz",
        },
    ),
    "interaction": (
        ["interaction_id"],
        {
            "interaction_id": "text",
            "touchpoint_id": "text",
            "agent_id": "text",
            "offered_at": "timestamptz",
            "ended_at": "timestamptz",
            "wait_seconds": "float8",
            "talk_seconds": "float8",
        },
    ),
    "identifier": (
        ["record_id", "namespace", "identity_hash"],
        {"record_id": "text", "namespace": "text", "identity_hash": "text", "seen_at": "timestamptz"},
    ),
}
"""Table to its key and its columns."""


def load(url: str, batch: str) -> None:
    """The rows of all tables, each with its key."""
    with (
        duckdb.connect(batch, read_only=True) as prepared,
        adbc_driver_postgresql.dbapi.connect(url) as warehouse,
        warehouse.cursor() as cursor,
    ):
        prepared.execute("SET TimeZone = 'UTC'")
        for table, (key, columns) in TABLES.items():
            exact = [
                f"{name}::VARCHAR AS {name}" if "numeric" in kind else name for name, kind in columns.items()
            ]
            rows = prepared.execute(f"SELECT {', '.join(exact)} FROM to_load.{table}").to_arrow_reader(
                100_000
            )
            cursor.adbc_ingest(f"staged_{table}", rows, mode="create", temporary=True)
            cursor.execute(f"ANALYZE staged_{table}")
            declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            cursor.execute(f"CREATE TABLE {table} ({declared}, PRIMARY KEY ({', '.join(key)}))")
            values = ", ".join(f"s.{name}::{kind}" for name, kind in columns.items())
            changes = ", ".join(
                f"{name} = s.{name}::{kind}" for name, kind in columns.items() if name not in key
            )
            cursor.execute(
                f"MERGE INTO {table} t USING staged_{table} s "
                f"ON {' AND '.join(f't.{name} = s.{name}' for name in key)} "
                f"WHEN MATCHED THEN UPDATE SET {changes} "
                f"WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({values})"
            )
        warehouse.commit()


if __name__ == "__main__":
    load(*sys.argv[1:])
