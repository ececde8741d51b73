"""A real Airflow over a project: booted once, its tasks killed and failing, asked over its REST API, and stopped to
the last process; then its logs and everything else that was written is searched for a canary."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import canary_project
import duckdb
import psutil
import pytest
from airflow_process import run_script
from airflow_server import Server, wait
from canary_project import found_in

pytestmark = pytest.mark.slow

MIGRATE = """
import json, sys
from pathlib import Path
from cxflow import settings as configuration
from cxflow.warehouse import revisions
print(json.dumps(revisions.migrate(configuration.load(Path(sys.argv[1])))))
"""

UNDISTURBED = """
import json, sys
from pathlib import Path
from cxflow.testing import TestProject

def found(project):
    books = project.query(
        "SELECT source_system, source_object, sum(extracted), sum(inserted), sum(quarantined) FROM load_run "
        "WHERE status = 'loaded' GROUP BY ALL ORDER BY ALL"
    )
    return {"digest": project.digest(), "books": books, "balance": project.books_balance()}

disturbed, other, text = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[1], "cxflow.toml").read_text()
undisturbed = TestProject(other, text)
for connection, stream in [
    ("shop", "reviews"), ("desk", "people"), ("faulty", "busy"), ("faulty", "exporting")
]:
    undisturbed.run(connection, stream)
undisturbed.settle()
print(json.dumps([found(TestProject(disturbed, text)), found(undisturbed)], default=str))
"""

COMMANDS = """
import json, sys
from typer.testing import CliRunner
from cxflow.cli.app import app
said = []
for arguments in json.loads(sys.argv[2]):
    result = CliRunner().invoke(app, ["--project", sys.argv[1], *arguments])
    said.append([result.exit_code, result.output])
print(json.dumps(said))
"""


@dataclass
class Days:
    """What became of the project under Airflow."""

    project: Path
    listening: set[str]
    dags: set[str]
    scheduled: dict[str, Any]
    by_hand: dict[str, Any]
    planned: dict[str, Any]
    """The window of the scheduled run."""
    kpis: dict[str, Any]
    killed: dict[str, dict[str, Any]]
    """Task instances of the run in which tasks were killed, at its end."""
    killed_run: dict[str, Any]
    faulty: dict[str, dict[str, Any]]
    server: Server


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Secrets, and folders of one's own for whatever is written outside of the project."""
    places = {name: str(tmp_path_factory.mktemp(name.lower())) for name in ("TMPDIR", "HOME")}
    return {**canary_project.SECRETS, **places}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Days:
    """One boot for all tests, because it takes half a minute."""
    project = canary_project.make(tmp_path_factory.mktemp("days") / "acme")
    run_script(project.parent, MIGRATE, project, **environment)
    with Server(project, **environment) as server:
        listening = {
            connection.laddr.ip
            for process in server.family()
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        dags = {dag["dag_id"] for dag in wait("DAGs", lambda: server.ask("/dags")["dags"], 300)}

        # They are not paused, so the last complete intervals run by themselves; nothing may overlap with them.
        first = server.first_run("acme__shop")
        by_hand = server.ask("/dags/acme__shop/dagRuns", {"logical_date": None, "conf": {}})["dag_run_id"]
        scheduled, by_hand = server.end("acme__shop", first), server.end("acme__shop", by_hand)
        plan = server.run("acme__shop", first, "/taskInstances/plan/xcomEntries/return_value")
        faulty = server.first_run("acme__faulty")
        server.end("acme__faulty", faulty)

        # The scheduled run announces, too, though its window ends before the file was written. The KPI run to wait
        # for is the one that takes up what the run by hand announced.
        kpis = kpis_after(server, "acme__shop", by_hand["dag_run_id"])
        people = server.first_run("acme__desk")
        kill_in_mid_task(server, project, people)
        killed_run = server.end("acme__desk", people)
        kpis_after(server, "acme__desk", people)
        tasks = server.tasks("acme__desk", people), server.tasks("acme__faulty", faulty)
    return Days(
        project,
        listening,
        dags,
        scheduled,
        by_hand,
        plan["value"][0],
        kpis,
        tasks[0],
        killed_run,
        tasks[1],
        server,
    )


def kpis_after(server: Server, dag: str, run_id: str) -> Any:
    """The KPI run that takes up what a run has loaded, once it has ended."""

    def look() -> Any:
        for run in server.ask("/dags/acme__kpis/dagRuns?limit=100")["dag_runs"]:
            taken_up = server.run("acme__kpis", run["dag_run_id"], "/upstreamAssetEvents")["asset_events"]
            if (dag, run_id) in {(event["source_dag_id"], event["source_run_id"]) for event in taken_up}:
                return run["end_date"] and run
        return None

    return wait("KPI run after the load", look)


def kill_in_mid_task(server: Server, project: Path, run_id: str) -> None:
    """SIGKILL for the process that extracts, with half of the records landed; then for the one that loads, while it
    waits for the warehouse's file."""

    def task(step: str) -> dict[str, Any]:
        """Of the only stream; it is not yet named where it has not begun."""
        return next(
            task for name, task in server.tasks("acme__desk", run_id).items() if name.startswith(step)
        )

    def kill(step: str) -> None:
        victim = task(step)
        process = wait(f"process of {step}", lambda: server.process(victim))
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        wait(f"end of {process.pid}", lambda: not process.is_running())

    def pool(slots: int) -> None:
        """The loads wait where there is no slot."""
        body = {"pool": "cxflow_duckdb", "slots": slots, "description": "", "include_deferred": False}
        server.ask("/pools/cxflow_duckdb", body, method="PATCH")

    def kpis_may_run(may: bool) -> None:
        server.ask("/dags/acme__kpis", {"is_paused": not may}, method="PATCH")

    def kpis_stand_still() -> bool:
        """A run that a pause stops never ends: they are paused between two runs."""
        unfinished = "/dags/acme__kpis/dagRuns?state=running&state=queued&limit=1"
        if server.ask(unfinished)["total_entries"]:
            return False
        kpis_may_run(False)
        if server.ask(unfinished)["total_entries"] == 0:
            return True
        kpis_may_run(True)
        return False

    # No KPI run may be in the way of what is to be killed.
    wait("pause between KPI runs", kpis_stand_still)

    wait("record read", (project / "reading").exists)
    kill("extract")
    pool(0)
    (project / "go").touch()
    wait("prepared batch", lambda: task("prepare")["end_date"])
    with duckdb.connect(str(project / "warehouse.duckdb")):
        pool(1)
        wait("load", lambda: task("load")["state"] == "running")
        kill("load")
    kpis_may_run(True)


@pytest.fixture(scope="module")
def said(days: Days, environment: dict[str, str]) -> dict[str, tuple[int, str]]:
    """What the commands say of the same project, without and with all options."""
    with duckdb.connect(str(days.project / "warehouse.duckdb"), read_only=True) as warehouse:
        entry = warehouse.sql("SELECT quarantine_id FROM quarantine WHERE rule = 'cast'").fetchall()[0][0]
    looks = [
        "run",
        "status",
        "quarantine list",
        "quarantine list --entries",
        f"quarantine show {entry}",
        "kpis",
    ]
    looks += ["doctor", "state list", "lint", "run --dry-run", "quarantine replay", "publish", "plugins"]
    commands = [f"{look} {option}".strip() for look in looks for option in ("", "--json --verbose")]
    commands += [
        "run --verbose",
        "backfill --from 2026-01-01 --to 2027-01-01",
        f"quarantine show {entry} --reveal",
    ]
    split = json.dumps([command.split() for command in commands])
    answers = run_script(days.project.parent, COMMANDS, days.project, split, **environment)
    return dict(zip(commands, map(tuple, answers), strict=True))


def test_it_listens_on_this_machine_only_and_leaves_no_process_behind(days: Days) -> None:
    assert f"Airflow runs at http://127.0.0.1:{days.server.port}" in days.server.said
    assert days.listening == {"127.0.0.1"}
    assert days.server.returncode == 0
    assert days.server.left() == []


def test_the_dags_run_on_schedule_and_by_hand_and_the_kpis_after_them(days: Days) -> None:
    assert days.dags == {"acme__desk", "acme__faulty", "acme__kpis", "acme__shop"}
    log = (days.server.logs / "standalone.log").read_text()
    assert (days.scheduled["state"], days.by_hand["state"], days.kpis["state"]) == ("success",) * 3, log
    assert days.planned["mode"] == "scheduled"
    assert days.planned["window"]["end"][:16] == days.scheduled["data_interval_end"][:16]
    with duckdb.connect(str(days.project / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.sql("SELECT count(*) > 0 FROM kpi_value").fetchone() == (True,)


def test_a_task_killed_in_its_midst_is_tried_again_and_the_result_is_the_same(
    days: Days, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert days.killed_run["state"] == "success"
    tries = {step: task["try_number"] for step, task in days.killed.items()}
    assert tries == {"plan": 1, "extract people": 2, "prepare people": 1, "load people": 2, "announce": 1}
    for step in ("extract people", "load people"):
        assert "SIGKILL" in days.server.log(days.killed[step], 1)
    assert "resumed" in days.server.log(days.killed["extract people"], 2), "at the page before the kill"
    assert "resumed" not in days.server.log(days.killed["extract people"], 1)

    other = canary_project.make(tmp_path / "other")
    for mark in ("go", "asked-before"):
        (other / mark).touch()
    disturbed, undisturbed = run_script(tmp_path, UNDISTURBED, days.project, other, **environment)
    assert disturbed == undisturbed
    assert disturbed["balance"]
    assert disturbed["books"] == [
        ["desk", "people", canary_project.PEOPLE, canary_project.PEOPLE, 0],
        ["faulty", "busy", 1, 1, 0],
        ["faulty", "exporting", 1, 1, 0],
        ["shop", "reviews", 7, 2, 5],
    ]


def test_a_failure_names_connection_stream_and_reason_and_only_a_fatal_one_is_final(days: Days) -> None:
    logs = {
        (step, attempt): days.server.log(task, attempt)
        for step, task in days.faulty.items()
        if step.startswith("extract")
        for attempt in range(1, task["try_number"] + 1)
    }
    ends = {
        step: (task["state"], task["try_number"]) for step, task in days.faulty.items() if "extract" in step
    }
    assert ends == {
        "extract busy": ("success", 2),
        "extract careless": ("failed", 2),
        "extract exporting": ("success", 1),
        "extract refused": ("failed", 1),
    }
    assert "faulty.busy: the desk asks to wait" in logs["extract busy", 1]
    assert (
        "SourceError: faulty.refused: https://desk.invalid/people?token=*** has lost"
        in logs["extract refused", 1]
    )
    for attempt in (1, 2):
        assert "faulty.careless: ValueError at aviary_desk.py:" in logs["extract careless", attempt]
        assert '"name":"careless"' in logs["extract careless", attempt]  # the frame at fault
    assert all(found_in(log) == [] for log in logs.values())


def test_a_task_leaves_its_place_to_the_triggerer_while_a_service_exports(days: Days) -> None:
    log = days.server.log(days.faulty["extract exporting"], 1)
    assert log.count("faulty.exporting: the desk works on the export: deferred for 10 s") == 1
    assert log.count("Pausing task as DEFERRED") == 1
    assert log.count("extracted") == 1


def test_airflow_keeps_no_canary(days: Days) -> None:
    assert found_in(days.server.said) == []
    with closing(sqlite3.connect(days.project / ".cxflow" / "airflow" / "airflow.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: str(database.execute(f'SELECT * FROM "{table}"').fetchall()) for table in tables}
    assert "batch_id" in rows["xcom"]
    assert "streams.extract" in rows["rendered_task_instance_fields"]
    assert {table: found_in(text) for table, text in rows.items() if found_in(text)} == {}


def test_no_command_says_a_canary_unless_asked_to(said: dict[str, tuple[int, str]]) -> None:
    told = {command: found_in(output) for command, (_, output) in said.items()}
    reveals = next(command for command in said if command.endswith("--reveal"))
    assert canary_project.NAME.lower() in told.pop(reveals)
    # A traceback in full is asked for by --verbose; secrets are not even there.
    for verbose in ("run --verbose", "run --json --verbose", "run --dry-run --json --verbose"):
        careless = told.pop(verbose)
        assert canary_project.NAME.lower() in careless
        assert set(careless) <= set(canary_project.PERSONAL)
    assert {command: words for command, words in told.items() if words} == {}
    assert said["run"][0] == 70  # faulty.careless
    assert "faulty.careless: ValueError at aviary_desk.py:" in said["run"][1]
    assert said["status"][0] == said["quarantine list"][0] == said["kpis"][0] == 0


@pytest.mark.usefixtures("said")
def test_no_file_holds_a_canary_but_the_sources_the_landing_zone_and_the_warehouse(
    days: Days, environment: dict[str, str]
) -> None:
    allowed = {"reviews.csv", "people.json", "warehouse.duckdb"}
    places = (days.project, Path(environment["TMPDIR"]), Path(environment["HOME"]))
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    assert sum("attempt=" in file.name for file in files) > 20
    found = {
        str(file): words
        for file in files
        if file.name not in allowed
        and "landing" not in file.relative_to(days.project.parent).parts
        and (words := found_in(file.read_bytes().decode("utf-8", "replace")))
    }
    assert found == {}


@pytest.mark.usefixtures("said")
def test_the_canary_is_where_the_data_dictionary_says_and_nowhere_else_in_the_warehouse(days: Days) -> None:
    from cxflow.warehouse import tables

    marked = {
        (table.name, column.name)
        for table in tables.metadata.tables.values()
        for column in table.columns
        if column.info.get("pii")
    }
    with duckdb.connect(str(days.project / "warehouse.duckdb"), read_only=True) as warehouse:
        columns = warehouse.sql(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        holding = {
            (table, column)
            for table, column in columns
            if found_in(str(warehouse.sql(f'SELECT "{column}"::VARCHAR FROM "{table}"').fetchall()))
        }
        rules = warehouse.sql("SELECT rule, count(*) FROM quarantine GROUP BY ALL ORDER BY ALL").fetchall()
        payloads = warehouse.sql(
            "SELECT count(*) FILTER (payload ILIKE '%canary%' OR payload ILIKE '%turquoise%'), count(*) FROM quarantine"
        ).fetchone()
    assert holding == {
        ("customer_profile", "full_name"),
        ("customer_profile", "email"),
        ("customer_profile", "phone"),
        ("review", "review_body"),
        ("quarantine", "raw_value"),
        ("quarantine", "payload"),
    }
    assert holding <= marked
    assert [rule for rule, _ in rules if rule in ("cast", "duplicate_key", "malformed")] == [
        "cast",
        "duplicate_key",
        "malformed",
    ]
    assert len(rules) == 4  # and an expectation
    assert payloads is not None
    assert payloads[0] == payloads[1]


def test_the_landing_zone_holds_what_the_source_said(days: Days) -> None:
    landed = str(days.project / "landing" / "**" / "*.parquet")
    with duckdb.connect() as database:
        text = str(
            [
                database.sql(f"SELECT * FROM '{file}'").fetchall()
                for (file,) in database.sql(f"SELECT file FROM glob('{landed}')").fetchall()
            ]
        )
    assert set(canary_project.PERSONAL) - set(found_in(text)) <= {canary_project.PHONE.replace(" ", "")}
    assert found_in(text, canary_project.SECRET) == []
