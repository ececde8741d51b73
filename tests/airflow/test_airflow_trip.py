"""A real project through the real flow, under Airflow's `dag.test()`."""

from __future__ import annotations

from pathlib import Path

from airflow_process import Script

TRIP = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path

from cxflow import settings as configuration
from cxflow.airflow.local_run import LocalAirflow
from cxflow.warehouse import ledger, revisions, transactions
import sqlalchemy as sa

project = Path(sys.argv[1])
settings = configuration.load(project)
revisions.migrate(settings)
airflow = LocalAirflow(project)
history = {"start": "2026-01-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}

def count(table):
    with transactions.transaction(settings) as connection:
        return connection.scalar(sa.text(f"SELECT count(*) FROM {table}"))

def moved():
    return ledger.position(settings, "shop", "reviews") is not None

outcome = []
for dag, options in [
    ("acme__shop", {"conf": history}),
    ("acme__shop", {"logical_date": datetime.now(UTC)}),
    ("acme__kpis", {}),
]:
    run = airflow.run(dag, **options)
    outcome.append([run.state, run.failures, count("touchpoint"), count("review"), moved()])
print(json.dumps({"outcome": outcome, "kpi_values": count("kpi_value")}))
"""


def test_a_backfill_a_scheduled_run_and_the_kpis(script: Script, project: Path) -> None:
    found = script(TRIP, project)
    backfill, scheduled, kpis = found["outcome"]
    assert backfill == ["success", {}, 3, 3, False]  # the cursor stays where it was
    assert scheduled == ["success", {}, 3, 3, True]
    assert kpis[:2] == ["success", {}]
    assert found["kpi_values"] > 0
