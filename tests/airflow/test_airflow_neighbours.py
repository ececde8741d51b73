"""What a real Airflow tells its neighbours: links to the report, e-mails of failures and late runs, lineage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from airflow_process import TOML, make_project, run_script
from airflow_server import Server, wait
from neighbours import Events, Mails, body_of, collector, postbox

REPORT = "https://reports.acme.example/cx/"

OF_A_TEAM = f"""
[airflow]
report_url = "{REPORT}"
deadline_seconds = 1

[[airflow.on_failure]]
call = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
to = "cx@acme.example"
subject = "{{{{ ti.task_id }}}} of {{{{ dag.dag_id }}}} failed"
html_content = "{{{{ exception }}}}"

[[airflow.on_deadline]]
call = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
to = "cx@acme.example"
subject = "{{{{ dag_run.dag_id }}}} is late"
html_content = "{{{{ dag_run.dag_run_id }}}} was to be done by {{{{ deadline.deadline_time }}}}"
"""

# A stream whose batch the gate stops: more records are refused than may be.
FAULTY = """
[quality]
min_records = 1

[connections.shop.streams.faulty]
path = "faulty.csv"
primary_key = ["review_id"]

[connections.shop.streams.faulty.to.touchpoint]
activity = "'wrote_review'"
channel = "'web'"
occurred_at = "created"
"""

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
    made = [DagSerialization.deserialize_dag(DagSerialization.serialize_dag(d)) for d in dags(Path(place)).values()]
    found[place] = {
        task.task_id: sorted(link.name for link in task.operator_extra_links) for dag in made for task in dag.tasks
    }
    found[place]["deadlines"] = [len(dag.deadline or ()) for dag in made]
found["registered"] = sorted(ProvidersManager().extra_links_class_names)
print(json.dumps(found))
"""


def of_a_team(folder: Path) -> Path:
    """A project with a stream that loads, one that the gate stops, and all that a team wants to be told."""
    project = make_project(folder)
    scalars, tables = OF_A_TEAM.split("\n\n", 1)
    (project / "cxflow.toml").write_text(TOML.replace("[airflow]", scalars, 1) + tables + FAULTY)
    (project / "faulty.csv").write_text("review_id,created\nr1,yesterday\n")
    return project


@dataclass
class Told:
    """What a run by hand told."""

    project: Path
    links: dict[str, dict[str, str]]
    states: dict[str, str]
    events: Events
    mails: Mails
    run: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One boot for all tests: it takes half a minute."""
    project = of_a_team(tmp_path_factory.mktemp("neighbours") / "acme")
    run_script(project.parent, MIGRATE, project)
    window = {"start": "2026-01-01T00:00:00Z", "end": "2027-12-01T00:00:00Z"}
    links = {}
    with collector() as (url, events), postbox() as (port, mails):
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@acme.example"}
        smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": json.dumps(extra)}
        environment = {"AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(smtp), "OPENLINEAGE_URL": url}
        with Server(project, **environment, NO_PROXY="127.0.0.1") as server:
            wait("DAGs", lambda: server.ask("/dags")["dags"])
            server.end("acme__shop", server.first_run("acme__shop"))
            body = {"logical_date": None, "conf": window}
            run = server.ask("/dags/acme__shop/dagRuns", body)["dag_run_id"]
            server.end("acme__shop", run)
            tasks = server.tasks("acme__shop", run)
            for name, task in tasks.items():
                place = f"/taskInstances/{task['task_id']}/links?map_index={task['map_index']}"
                links[name] = server.run("acme__shop", run, place)["extra_links"]
            wait("mail of the deadline", lambda: any(run in body_of(each) for each in mails))
    states = {name: task["state"] for name, task in tasks.items()}
    return Told(project, links, states, [each for each in events if run in str(each["run"])], mails, run)


@pytest.mark.slow
def test_a_task_of_a_stream_links_to_its_quarantine_and_the_report(told: Told) -> None:
    for step in ("extract", "prepare", "load"):
        assert told.states[f"{step} reviews"] == "success"
        assert told.links[f"{step} reviews"] == {
            "Quarantine": f"{REPORT}#stream-shop.reviews",
            "Report": REPORT,
        }
    assert told.links["plan"] == {"Report": REPORT}


@pytest.mark.slow
def test_a_load_that_the_gate_stopped_links_there_too(told: Told) -> None:
    assert told.states["load faulty"] == "failed"
    assert told.links["load faulty"] == {"Quarantine": f"{REPORT}#stream-shop.faulty", "Report": REPORT}


@pytest.mark.slow
def test_a_failure_is_told_by_e_mail_with_its_reason(told: Told) -> None:
    failures = [each for each in told.mails if each["Subject"] == "streams.load of acme__shop failed"]
    assert failures
    for mail in failures:
        assert (mail["To"], mail["From"]) == ("cx@acme.example", "airflow@acme.example")
        assert "GateClosedError: shop.faulty" in body_of(mail)


@pytest.mark.slow
def test_a_run_that_is_not_done_by_its_deadline_is_told_once(told: Told) -> None:
    late = [body_of(each) for each in told.mails if each["Subject"] == "acme__shop is late"]
    assert sum(told.run in each for each in late) == 1
    assert all("was to be done by 20" in each for each in late)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("openlineage") is None, reason="OpenLineage's provider is not installed")
def test_a_real_scheduler_tells_the_collector_of_loads_and_of_those_that_failed(told: Told) -> None:
    loads = {
        event["eventType"]: event
        for event in told.events
        if event["job"]["name"] == "acme__shop.streams.load" and event["eventType"] != "START"
    }
    assert set(loads) == {"COMPLETE", "FAIL"}
    review, *_ = loads["COMPLETE"]["outputs"]
    warehouse = f"duckdb://{told.project}/warehouse.duckdb"
    assert (review["namespace"], review["name"]) == (warehouse, "warehouse.main.review")
    assert review["outputFacets"]["outputStatistics"]["rowCount"] == 3
    assert [each["name"] for each in loads["FAIL"]["inputs"]] == [f"{told.project}/landing/shop/faulty"]


def test_without_settings_there_are_no_links_and_no_deadlines(tmp_path: Path) -> None:
    plain, linked = make_project(tmp_path / "plain"), of_a_team(tmp_path / "linked")
    found: dict[str, Any] = run_script(tmp_path, DESCRIBE, plain, linked)
    assert found[str(plain)].pop("deadlines") == [0, 0]
    assert not any(found[str(plain)].values())
    assert found[str(linked)]["deadlines"] == [1, 1]
    assert found[str(linked)]["streams.load"] == ["Quarantine", "Report"]
    assert found[str(linked)]["publish"] == ["Report"]
    assert found[str(linked)]["announce"] == []
    names = {f"cxflow.airflow.links.{name}" for name in ("QuarantineLink", "ReportLink")}
    assert names <= set(found["registered"])
