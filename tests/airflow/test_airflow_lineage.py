"""What OpenLineage's collector gets of a project's runs: datasets by its naming rules, counts, nothing personal."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import canary_project
import pytest
from airflow_process import Script, make_project, run_script
from canary_project import found_in
from neighbours import Events, collector

needs_provider = pytest.mark.skipif(
    find_spec("openlineage") is None, reason="OpenLineage's provider is not installed"
)

RUNS = """
import json, sys
from pathlib import Path
from cxflow import settings as configuration
from cxflow.airflow.local_run import LocalAirflow
from cxflow.warehouse import ledger, revisions

project, *dags = map(str, sys.argv[1:])
settings = configuration.load(Path(project))
revisions.migrate(settings)
airflow = LocalAirflow(Path(project))
history = {"start": "2026-01-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
runs = [airflow.run(dag, conf=None if dag.endswith("kpis") else history) for dag in dags]
totals = {stream: counts.inserted for (_, stream), counts in ledger.totals(settings).items()}
print(json.dumps({"runs": [[run.state, run.failures, run.seconds] for run in runs], "totals": totals}))
"""

WITHOUT = """
import json, sys
from pathlib import Path
sys.modules["openlineage"] = None
from cxflow.airflow import factory
made = factory.dags(Path(sys.argv[1]))
parsing = sorted(name for name in sys.modules if name.startswith("cxflow.airflow"))
load = made["acme__shop"].get_task("streams.load")
load.batch = {"connection": "shop", "stream": "reviews", "batch_id": "20260301-1"}
print(json.dumps([parsing, load.get_openlineage_facets_on_complete(None)]))
"""


def told_to(url: str) -> dict[str, str]:
    """The environment of an Airflow that tells a collector, and asks it once."""
    transport = {"type": "http", "url": url, "retry": {"total": 0}, "compression": None}
    return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport), "NO_PROXY": "127.0.0.1"}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Events]:
    """A project with one stream of four reviews, of which one is refused; its loads and KPIs; what was collected."""
    folder = tmp_path_factory.mktemp("lineage")
    project = make_project(folder / "acme")
    with (project / "reviews.csv").open("a") as file:
        file.write("r4,nine,what a day,2026-03-02T12:00:00Z\n")
    with collector() as (url, got):
        done = run_script(folder, RUNS, project, "acme__shop", "acme__kpis", **told_to(url))
    assert [run[:2] for run in done["runs"]] == [["success", {}], ["success", {}]]
    return project, got


def ended(events: Events, job: str) -> dict[str, Any]:
    """The event at the end of the only run of a job."""
    (event,) = [
        each for each in events if each["job"]["name"] == job and each["eventType"] in ("COMPLETE", "FAIL")
    ]
    return event


def names(datasets: Events) -> list[tuple[str, str]]:
    return [(each["namespace"], each["name"]) for each in datasets]


def without_marks(facet: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facet.items() if not name.startswith("_")}


@needs_provider
def test_what_is_extracted_goes_from_the_source_to_the_landing_zone(events: tuple[Path, Events]) -> None:
    project, got = events
    event = ended(got, "acme__shop.streams.extract")
    assert names(event["inputs"]) == [("file", f"{project}/reviews.csv")]
    assert names(event["outputs"]) == [("file", f"{project}/landing/shop/reviews")]
    statistics = event["outputs"][0]["outputFacets"]["outputStatistics"]
    assert without_marks(statistics) == {"rowCount": 4, "fileCount": 1}
    (batch,) = (project / "landing" / "shop" / "reviews").iterdir()
    assert event["outputs"][0]["facets"]["version"]["datasetVersion"] == batch.name


@needs_provider
def test_what_is_loaded_goes_from_the_landing_zone_to_the_tables(events: tuple[Path, Events]) -> None:
    project, got = events
    event = ended(got, "acme__shop.streams.load")
    landed = ("file", f"{project}/landing/shop/reviews")
    warehouse = f"duckdb://{project}/warehouse.duckdb"
    assert names(event["inputs"]) == [landed]
    assert names(event["outputs"]) == [
        (warehouse, "warehouse.main.review"),
        (warehouse, "warehouse.main.touchpoint"),
        (warehouse, "warehouse.main.quarantine"),
    ]
    review = event["outputs"][0]
    assert review["outputFacets"]["outputStatistics"]["rowCount"] == 3
    types = {each["name"]: each["type"] for each in review["facets"]["schema"]["fields"]}
    assert (types["review_id"], types["date_published"]) == ("VARCHAR", "TIMESTAMP WITH TIME ZONE")
    made_of = review["facets"]["columnLineage"]["fields"]
    assert {
        column: [(each["namespace"], each["name"], each["field"]) for each in made_of[column]["inputFields"]]
        for column in made_of
    } == {
        "review_id": [(*landed, "review_id")],
        "rating_value": [(*landed, "score")],
        "review_body": [(*landed, "comment")],
        "date_published": [(*landed, "created")],
    }


@needs_provider
def test_refused_records_are_told_of_as_counts_by_rule(events: tuple[Path, Events]) -> None:
    _, got = events
    for step in ("prepare", "load"):
        (landed,) = ended(got, f"acme__shop.streams.{step}")["inputs"]
        assert landed["inputFacets"]["inputStatistics"]["rowCount"] == 4
        told = landed["inputFacets"]["dataQualityAssertions"]["assertions"]
        assert [(each["assertion"], each["success"], each.get("actual")) for each in told] == [
            ("quarantined", False, None),
            ("cast", False, "1"),
        ]


@needs_provider
def test_the_kpis_and_the_views_follow_from_the_tables(events: tuple[Path, Events]) -> None:
    project, got = events
    warehouse = f"duckdb://{project}/warehouse.duckdb"

    def table(name: str) -> tuple[str, str]:
        return warehouse, f"warehouse.main.{name}"

    identity = ended(got, "acme__kpis.identity")
    assert names(identity["inputs"]) == [table("record_identity")]
    assert {table("customer"), table("customer_identity"), table("touchpoint")} <= {
        *names(identity["outputs"])
    }
    words = ended(got, "acme__kpis.words")
    assert table("review") in names(words["inputs"])
    assert names(words["outputs"]) == [table("signal")]
    kpis = ended(got, "acme__kpis.kpis")
    assert {table("review"), table("survey_response"), table("order_header")} <= {*names(kpis["inputs"])}
    assert names(kpis["outputs"]) == [table("kpi_value"), table("kpi_definition")]
    assert kpis["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] > 0
    publish = ended(got, "acme__kpis.publish")
    assert table("kpi_value") in names(publish["inputs"])
    assert {table("mart_kpi"), table("masked_review")} <= {*names(publish["outputs"])}
    (snapshot,) = [each for each in publish["outputs"] if each["namespace"] == "file"]
    assert Path(snapshot["name"]).is_file()


@needs_provider
def test_no_event_holds_a_personal_datum_or_a_secret(tmp_path: Path) -> None:
    project = canary_project.make(tmp_path / "acme")
    for mark in ("go", "asked-before"):
        (project / mark).touch()
    dags = ("acme__shop", "acme__desk", "acme__faulty", "acme__kpis")
    with collector() as (url, got):
        done = run_script(tmp_path, RUNS, project, *dags, **told_to(url), **canary_project.SECRETS)
    assert [run[0] for run in done["runs"]] == ["success", "success", "failed", "success"]
    failed = [each for each in got if each["eventType"] == "FAIL"]
    extracts = [each for each in failed if each["job"]["name"] == "acme__faulty.streams.extract"]
    assert len(extracts) == 2
    # They name the source, and what would have been landed.
    assert {names(each["inputs"])[0] for each in extracts} == {
        ("cxflow://acme", "faulty.careless"),
        ("cxflow://acme", "faulty.refused"),
    }
    assert not any(output.get("outputFacets") for each in extracts for output in each["outputs"])
    people = ended(got, "acme__desk.streams.load")
    assert {name for _, name in names(people["outputs"])} == {
        f"warehouse.main.{table}"
        for table in ("customer_profile", "touchpoint", "quarantine", "record_identity")
    }
    assert len(got) > 40
    assert found_in(json.dumps(got, ensure_ascii=False)) == []


@needs_provider
def test_a_collector_that_is_not_there_harms_no_load(project: Path, script: Script) -> None:
    done = script(RUNS, project, "acme__shop", **told_to("http://127.0.0.1:9"))
    assert done["runs"][0][:2] == ["success", {}]
    assert done["totals"] == {"reviews": 3}


def test_without_the_provider_dags_are_parsed_and_tasks_tell_nothing(project: Path, script: Script) -> None:
    parsing, told = script(WITHOUT, project)
    assert "cxflow.airflow.operators" in parsing
    assert not {"cxflow.airflow.lineage", "cxflow.airflow.openlineage_events"} & set(parsing)
    assert told is None
