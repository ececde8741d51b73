"""A prepared batch into PostgreSQL by hand: Arrow into a staging table through ADBC, then one MERGE.

python by_hand_postgresql.py URL BATCH
"""

from __future__ import annotations

import sys

import adbc_driver_postgresql.dbapi
import duckdb

COLUMNS = (
    "touchpoint_id, occurred_at, ended_at, received_at, anonymous_id, agent_id, activity, channel, direction, "
    "journey_stage, control, order_id, reason, revenue_impact, currency_code"
)


def load(url: str, batch: str) -> None:
    """The touchpoints alone, with their key."""
    with (
        duckdb.connect(batch, read_only=True) as prepared,
        adbc_driver_postgresql.dbapi.connect(url) as warehouse,
    ):
        prepared.execute("SET TimeZone = 'UTC'")
        rows = prepared.execute(
            f"SELECT {COLUMNS.replace('revenue_impact', 'revenue_impact::VARCHAR AS revenue_impact')} "
            "FROM to_load.touchpoint"
        ).to_arrow_reader(100_000)
        with warehouse.cursor() as cursor:
            cursor.adbc_ingest("staged", rows, mode="create", temporary=True)
            cursor.execute("ANALYZE staged")
            cursor.execute(
                "CREATE TABLE touchpoint (touchpoint_id text PRIMARY KEY, occurred_at timestamptz, "
                "ended_at timestamptz, received_at timestamptz, anonymous_id text, agent_id text, activity text, "
                "channel text, direction text, journey_stage text, control text, order_id text, reason text, "
                "revenue_impact numeric(18, 4), "
                "currency_code text)"
            )
            values = COLUMNS.replace("revenue_impact", "revenue_impact::numeric")
            staged = ", ".join(f"s.{name}" for name in COLUMNS.split(", "))
            cursor.execute(
                f"MERGE INTO touchpoint t USING (SELECT {values} FROM staged) s ON t.touchpoint_id = s.touchpoint_id "
                "WHEN MATCHED THEN UPDATE SET occurred_at = s.occurred_at, ended_at = s.ended_at, reason = s.reason, "
                "revenue_impact = s.revenue_impact "
                f"WHEN NOT MATCHED THEN INSERT ({COLUMNS}) VALUES ({staged})"
            )
        warehouse.commit()


if __name__ == "__main__":
    load(*sys.argv[1:])
