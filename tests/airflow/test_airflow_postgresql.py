"""A real scheduler with LocalExecutor over a warehouse on PostgreSQL: the loads of several connections at one moment,
then customers and KPIs, come to what one process alone comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow_server import Server, wait
from postgresql_server import Postgresql

from cxflow.testing.project import TestProject, as_toml
from cxflow.validate import runner

pytestmark = pytest.mark.slow

CONNECTIONS = ("app", "desk", "shop")
RECORDS = 30


def make(folder: Path) -> str:
    """Write what the sources of a project hold, the same customers on the same days in each; returns its settings."""
    folder.mkdir(exist_ok=True)
    for place, name in enumerate(CONNECTIONS):
        records = [
            {
                "id": number,
                "mail": f"p{(number + place) % 7}@example.org",
                "day": f"2026-03-0{(number * 5 + place) % 9 + 1}T10:00:00Z" if number else "some day",
                "score": number % 11,
            }
            for number in range(RECORDS)
        ]
        (folder / f"{name}-2026-03-20.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    stream = {
        "primary_key": ["id"],
        "identifiers": {"email": "mail"},
        "to": {
            "touchpoint": {"activity": "'answered_survey'", "channel": "'web'", "occurred_at": "day"},
            "survey_response": {
                "response_id": "id",
                "question_id": "'recommend'",
                "metric_type": "'nps'",
                "rating_value": "score",
                "responded_at": "day",
            },
        },
    }
    connections = {
        name: {
            "connector": "files",
            "streams": {"answers": {"path": f"{name}-{{date}}.jsonl", **stream}},
        }
        for name in CONNECTIONS
    }
    tree = {"project": {"name": "acme"}, "kpis": {"min_n": 1}, "connections": connections}
    return as_toml({**tree, "airflow": {"retries": 0}})


@dataclass
class Day:
    """What became of the project under Airflow."""

    project: TestProject
    runs: dict[str, dict[str, Any]]
    """The run of each connection."""
    tasks: dict[str, dict[str, dict[str, Any]]]
    kpis: list[dict[str, Any]]


@pytest.fixture(scope="module")
def day(postgresql: Postgresql, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """One boot for all tests. The loads begin at the same moment: whoever settles holds them up until all are there."""
    folder = tmp_path_factory.mktemp("postgresql") / "acme"
    url = postgresql.copy(postgresql.migrated)
    project = TestProject(folder, make(folder), warehouse={"url": url})
    with Server(folder) as server:
        with psycopg.connect(url) as settling:
            settling.execute("LOCK TABLE stream_lock IN EXCLUSIVE MODE")
            names = {name: server.first_run(f"acme__{name}") for name in CONNECTIONS}
            wait("loads that wait", lambda: waiting(url) == len(CONNECTIONS))
        runs = {name: server.end(f"acme__{name}", run_id) for name, run_id in names.items()}
        tasks = {name: server.tasks(f"acme__{name}", run_id) for name, run_id in names.items()}

        def settled() -> Any:
            found = server.ask("/dags/acme__kpis/dagRuns?limit=100")["dag_runs"]
            return found and all(run["end_date"] for run in found) and pending(project) == 0 and found

        kpis = wait("KPI run after the loads", settled)
    return Day(project, runs, tasks, kpis)


def waiting(url: str) -> int:
    """How many sessions of cxflow wait for a lock."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'cxflow'"
    )
    with psycopg.connect(url) as connection:
        [(number,)] = connection.execute(query).fetchall()
    return int(number)


def pending(project: TestProject) -> int:
    """What is noted for customers and KPIs, or not there yet."""
    [(number,)] = project.query(
        "SELECT (SELECT count(*) FROM pending_identity) + (SELECT count(*) FROM pending_kpi) "
        "+ CASE WHEN EXISTS (SELECT 1 FROM kpi_value) THEN 0 ELSE 1 END"
    )
    return int(number)


def test_no_task_fails_or_is_tried_again(day: Day) -> None:
    assert {name: run["state"] for name, run in day.runs.items()} == dict.fromkeys(CONNECTIONS, "success")
    assert {run["state"] for run in day.kpis} == {"success"}
    steps = ["announce", "extract answers", "load answers", "plan", "prepare answers"]
    for tasks in day.tasks.values():
        assert sorted(tasks) == steps
        assert {(task["state"], task["try_number"]) for task in tasks.values()} == {("success", 1)}


def test_it_comes_to_what_one_process_alone_comes_to(
    day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    alone = TestProject(tmp_path, make(tmp_path))
    alone.run()
    alone.settle()
    assert day.project.digest() == alone.digest()
    assert values(day.project) == values(alone)
    refused = ("source_system", "source_record_id", "rule", "column_name", "status")
    assert day.project.rows("quarantine", *refused) == alone.rows("quarantine", *refused)
    books = ("source_system", "extracted", "inserted", "quarantined")
    assert day.project.rows("load_run", *books) == [
        (name, RECORDS, RECORDS - 1, 1) for name in sorted(CONNECTIONS)
    ]


def values(project: TestProject) -> dict[tuple[Any, ...], Any]:
    """The KPIs' current values."""
    rows = project.query(
        "SELECT kpi, grain, period_start, dimension, dimension_value, n, value FROM mart_kpi"
    )
    assert len(rows) > 20
    return {row[:6]: pytest.approx(row[6]) if row[6] else row[6] for row in rows}
