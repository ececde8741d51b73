"""The links of tasks to the report, as the API gives them to Airflow's pages; and lineage under a real scheduler."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from airflow_process import TOML, make_project, run_script
from airflow_server import Server, wait
from lineage_collector import Events, collector

REPORT = "https://reports.acme.example/cx/"

MIGRATE = """
import json, sys
from pathlib import Path
from cxflow import settings as configuration
from cxflow.warehouse import revisions
print(json.dumps(revisions.migrate(configuration.load(Path(sys.argv[1])))))
"""

DESCRIBE = """
import json, sys
from pathlib import Path
from airflow.providers_manager import ProvidersManager
from airflow.serialization.serialized_objects import DagSerialization
from cxflow.airflow.factory import dags
found = {}
for place in sys.argv[1:]:
    made = dags(Path(place))
    found[place] = {
        task.task_id: sorted(link.name for link in task.operator_extra_links)
        for dag in made.values()
        for task in DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).tasks
    }
found["registered"] = sorted(ProvidersManager().extra_links_class_names)
print(json.dumps(found))
"""


def with_report(project: Path, url: str = REPORT) -> Path:
    text = TOML.replace("[airflow]\n", f'[airflow]\nreport_url = "{url}"\n')
    # A stream whose batch the gate stops: more records are refused than may be.
    text += (
        '\n[connections.shop.streams.faulty]\npath = "faulty.csv"\nprimary_key = ["review_id"]\n'
        "[connections.shop.streams.faulty.to.touchpoint]\nactivity = \"'wrote_review'\"\nchannel = \"'web'\"\n"
        'occurred_at = "created"\n[quality]\nmin_records = 1\n'
    )
    (project / "cxflow.toml").write_text(text)
    (project / "faulty.csv").write_text("review_id,created\nr1,yesterday\n")
    return project


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, str], Events]:
    """A run by hand under a real Airflow: each task's links, its state, and what the collector got."""
    project = with_report(make_project(tmp_path_factory.mktemp("links") / "acme"))
    run_script(project.parent, MIGRATE, project)
    links: dict[str, Any] = {}
    window = {"start": "2026-01-01T00:00:00Z", "end": "2027-12-01T00:00:00Z"}
    with collector() as (url, got), Server(project, OPENLINEAGE_URL=url, NO_PROXY="127.0.0.1") as server:
        wait("DAGs", lambda: server.ask("/dags")["dags"], 300)
        server.end("acme__shop", server.first_run("acme__shop"))
        run = server.ask("/dags/acme__shop/dagRuns", {"logical_date": None, "conf": window})["dag_run_id"]
        server.end("acme__shop", run)
        tasks = server.tasks("acme__shop", run)
        for name, task in tasks.items():
            place = f"/taskInstances/{task['task_id']}/links?map_index={task['map_index']}"
            links[name] = server.run("acme__shop", run, place)["extra_links"]
    states = {name: task["state"] for name, task in tasks.items()}
    return project, links, states, [each for each in got if run in str(each["run"])]


@pytest.mark.slow
def test_a_task_of_a_stream_links_to_its_quarantine_and_the_report(told: Any) -> None:
    _, links, states, _ = told
    for step in ("extract", "prepare", "load"):
        assert states[f"{step} reviews"] == "success"
        assert links[f"{step} reviews"] == {"Quarantine": f"{REPORT}#stream-shop.reviews", "Report": REPORT}
    assert links["plan"] == {"Report": REPORT}


@pytest.mark.slow
def test_a_load_that_the_gate_stopped_links_there_too(told: Any) -> None:
    _, links, states, _ = told
    assert states["load faulty"] == "failed"
    assert links["load faulty"] == {"Quarantine": f"{REPORT}#stream-shop.faulty", "Report": REPORT}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("openlineage") is None, reason="OpenLineage's provider is not installed")
def test_a_real_scheduler_tells_the_collector_of_loads_and_of_those_that_failed(told: Any) -> None:
    project, _, _, got = told
    loads = {
        event["eventType"]: event
        for event in got
        if event["job"]["name"] == "acme__shop.streams.load" and event["eventType"] != "START"
    }
    warehouse = f"duckdb://{project}/warehouse.duckdb"
    assert set(loads) == {"COMPLETE", "FAIL"}
    review, *_ = loads["COMPLETE"]["outputs"]
    assert (review["namespace"], review["name"]) == (warehouse, "warehouse.main.review")
    assert review["outputFacets"]["outputStatistics"]["rowCount"] == 3
    assert [each["name"] for each in loads["FAIL"]["inputs"]] == [f"{project}/landing/shop/faulty"]


def test_without_an_address_there_are_no_links(tmp_path: Path) -> None:
    plain, linked = make_project(tmp_path / "plain"), with_report(make_project(tmp_path / "linked"))
    found = run_script(tmp_path, DESCRIBE, plain, linked)
    assert not any(found[str(plain)].values())
    assert found[str(linked)]["streams.load"] == ["Quarantine", "Report"]
    assert found[str(linked)]["publish"] == ["Report"]
    assert found[str(linked)]["announce"] == []
    assert {"cxflow.airflow.links.QuarantineLink", "cxflow.airflow.links.ReportLink"} <= set(
        found["registered"]
    )
