"""The DAGs, as Airflow parses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow_process import TOML, Script, make_project, run_script

PARSE = """
import json, sys, time
import airflow.sdk
from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param
from airflow.sdk import get_parsing_context, task_group
before = set(sys.modules)
began = time.perf_counter()
from pathlib import Path
from cxflow.airflow.factory import dags
made = dags(Path(sys.argv[1]))
seconds = time.perf_counter() - began
print(json.dumps({"dags": list(made), "new": sorted(set(sys.modules) - before), "seconds": seconds}))
"""

DESCRIBE = """
import json, os, pathlib, runpy, sys
from pathlib import Path
import airflow, jsonschema
from airflow.serialization.serialized_objects import DagSerialization
from cxflow.airflow import provider_info
from cxflow.airflow.factory import dags
from cxflow.errors import ConfigError
CRON = ("expression", "timezone")
def describe(dag):
    scheduled = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    return {
        "schedule": [str(getattr(dag.timetable, name, None)) for name in CRON],
        "assets": sorted(key.uri for key, _ in scheduled.timetable.asset_condition.iter_assets()),
        "start": dag.start_date.isoformat(), "catchup": dag.catchup, "active": dag.max_active_runs,
        "pools": {task.task_id: task.pool for task in dag.tasks},
        "tries": sorted({(task.retries, task.retry_delay.total_seconds()) for task in dag.tasks}),
        "named": {task.task_id: task.map_index_template for task in dag.tasks if task.map_index_template},
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "options": {task.task_id: [
            task.owner, task.queue, task.priority_weight, str(task.execution_timeout), task.executor_config,
            [len(task.on_failure_callback or ()), len(task.on_success_callback or ())],
        ] for task in dag.tasks},
    }
projects, shipped = json.loads(sys.argv[1]), sys.argv[2]
found = {}
for name, folder in projects.items():
    try:
        found[name] = {dag_id: describe(dag) for dag_id, dag in dags(Path(folder)).items()}
    except ConfigError as problem:
        found[name] = str(problem)
os.environ["CXFLOW_PROJECT"] = projects["plain"]
found["shipped file"] = [name for name in runpy.run_path(shipped) if name.startswith("acme__")]
os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = "acme__kpis"
found["worker"] = list(dags(Path(projects["plain"])))
schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
jsonschema.validate(provider_info(), schema)
found["provider"] = provider_info()
print(json.dumps(found))
"""

DAG_FILE = Path(__file__).parents[2] / "dags" / "cxflow_dags.py"

PROJECTS = {
    "plain": TOML,
    "two connections": TOML + '[connections.desk]\nconnector = "files"\nschedule = "30 1 * * 1-5"\n',
    "on a server": TOML + '[warehouse]\nurl = "postgresql+psycopg://cx@localhost/cx"\n',
    "in a connection": TOML
    + '[warehouse]\nurl = { airflow = "not_there" }\n'
    + '[connections.desk]\nconnector = "zendesk"\nsubdomain = { airflow = "not_there" }\n',
    "with accounts": TOML.replace(
        'connector = "files"', 'connector = "files"\npool = "acme_desk"\npool_slots = 3'
    )
    + '[connections.desk]\nconnector = "files"\npool = "acme_desk"\npool_slots = 3\n'
    + '[connections.crm]\nconnector = "files"\n',
    "with options": TOML.replace(
        "retries = 2", 'retries = 2\nowner = "cx"\ntags = ["daily"]\ntimeout_seconds = 3600\npriority = 2'
    )
    + '[[airflow.on_failure]]\ncall = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"\nto = "cx@acme.test"\n'
    + '[connections.desk]\nconnector = "files"\n[connections.desk.airflow]\nowner = "ada"\ntags = ["desk"]\n'
    + 'queue = "far"\nexecutor_config = { pod = "large" }\non_failure = []\n',
    "with alerts": TOML + '[alerts]\nschedule = "5 7-20 * * *"\n',
    "with a start": TOML.replace("retries = 2", "retries = 2\nstart = 2026-03-25T00:00:00"),
}
"""Name to the `cxflow.toml` that makes DAGs."""
REFUSED = {
    '[connections.kpis]\nconnector = "files"\n': "cannot be called kpis",
    '[connections.alerts]\nconnector = "files"\n': "cannot be called alerts",
    '[alerts]\nschedule = "@hourly"\n[[alerts.notify]]\ncall = "not_there.Notifier"\n': (
        "alerts.notify: there is no module 'not_there'"
    ),
    '[connections.desk]\nconnector = "files"\nschedule = "0 3 * *"\n': (
        "desk: schedule: '0 3 * *' is not a cron expression"
    ),
    '[connections.desk]\nconnector = "files"\npool = 3\n': "desk: pool: it is not a text",
    '[connections.desk]\nconnector = "files"\npool = "p"\npool_slots = 0\n': "desk: pool_slots: it is not a number",
    '[connections.desk]\nconnector = "files"\npool = "cxflow_duckdb"\n': "has 1 slots for another purpose",
    '[connections.a]\nconnector = "files"\npool = "p"\npool_slots = 4\n'
    '[connections.b]\nconnector = "files"\npool = "p"\n': "b: the pool p has 4 slots for another purpose",
    '[connections.desk]\nconnector = "files"\n[connections.desk.airflow]\ntimeout_seconds = 0\n': (
        "desk: airflow.timeout_seconds: Input should be greater than 0"
    ),
    '[connections.desk]\nconnector = "files"\n[[connections.desk.airflow.on_failure]]\ncall = "not_there.Notifier"\n': (
        "desk: on_failure: there is no module 'not_there'"
    ),
    '[connections.desk]\nconnector = "files"\n[connections.desk.airflow]\ndeadline_seconds = 60\n': (
        "desk: deadline_seconds without on_deadline"
    ),
    '[connections.desk]\nconnector = "files"\n[connections.desk.airflow]\ndeadline_seconds = 60\n'
    '[[connections.desk.airflow.on_deadline]]\ncall = "not_there.late"\n': "desk: on_deadline: there is no module",
    '[connections.desk]\nconnector = "files"\nschedule = 3\n': "desk: schedule: it is not a text",
    '[connections.desk]\nconnector = "files"\nschedule = "${CXFLOW_TEST_UNSET}"\n': (
        "connections.desk.schedule: the environment variable CXFLOW_TEST_UNSET is not set"
    ),
}
"""A connection that makes no DAG to what is said of it."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process makes of every project: Airflow takes seconds to import."""
    home = tmp_path_factory.mktemp("factory")
    folders = {}
    for name, toml in {**PROJECTS, **{faulty: TOML + faulty for faulty in REFUSED}}.items():
        folder = make_project(home / f"project {len(folders)}")
        (folder / "cxflow.toml").write_text(toml)
        folders[name] = str(folder)
    found: dict[str, Any] = run_script(home, DESCRIBE, json.dumps(folders), DAG_FILE)
    return found


def test_parsing_fifty_connections_loads_no_data_library(script: Script, tmp_path: Path) -> None:
    connections = "".join(f'[connections.c{number}]\nconnector = "files"\n' for number in range(50))
    (tmp_path / "cxflow.toml").write_text(f'[project]\nname = "acme"\n{connections}')
    parsed = script(PARSE, tmp_path)
    print(f"51 DAGs in {parsed['seconds']:.3f} s")  # noqa: T201  shown by pytest -s; benchmarks are no tests
    assert len(parsed["dags"]) == 51
    packages = {name.split(".")[0] for name in parsed["new"]}
    heavy = {"duckdb", "sqlalchemy", "great_expectations", "pandas", "numpy", "pyarrow", "scipy"}
    assert not packages & heavy
    rooms = {".".join(name.split(".")[:2]) for name in parsed["new"] if name.startswith("cxflow.")}
    light = ("airflow", "errors", "model", "private_files", "redaction", "settings", "visible", "warehouse")
    assert rooms == {f"cxflow.{room}" for room in light}


def test_a_worker_makes_only_the_dag_of_its_task(described: dict[str, Any]) -> None:
    assert described["worker"] == ["acme__kpis"]


def test_a_connection_runs_by_cron_in_the_project_s_zone_and_the_kpis_after_any_load(
    described: dict[str, Any],
) -> None:
    made = described["two connections"]
    assert list(made) == ["acme__shop", "acme__desk", "acme__kpis"]
    assert made["acme__shop"]["schedule"] == ["0 3 * * *", "Europe/Madrid"]
    assert made["acme__desk"]["schedule"] == ["30 1 * * 1-5", "Europe/Madrid"]
    assert made["acme__kpis"]["assets"] == ["cxflow://acme/desk", "cxflow://acme/shop"]
    for dag in made.values():
        assert (dag["catchup"], dag["active"]) == (False, 1)
        assert dag["start"] == "2000-01-01T00:00:00+00:00"
        assert dag["tries"] == [[2, 60.0]]
        assert dag["doc"]


def test_only_tasks_that_stay_in_the_warehouse_wait_for_the_duckdb_pool(described: dict[str, Any]) -> None:
    made = described["plain"]
    assert made["acme__shop"]["pools"] == {
        "plan": "cxflow_duckdb",
        "streams.extract": "default_pool",
        "streams.prepare": "default_pool",
        "streams.load": "cxflow_duckdb",
        "announce": "default_pool",
    }
    assert made["acme__kpis"]["pools"] == {
        **dict.fromkeys(("identity", "words", "kpis", "publish"), "cxflow_duckdb"),
        "done": "default_pool",
    }
    assert set(made["acme__shop"]["named"]) == {"streams.extract", "streams.prepare", "streams.load"}

    for elsewhere in ("on a server", "in a connection"):
        pools = {pool for dag in described[elsewhere].values() for pool in dag["pools"].values()}
        assert pools == {"default_pool"}


def test_a_connection_whose_account_is_in_airflow_has_its_dag_without_it(described: dict[str, Any]) -> None:
    assert set(described["in a connection"]) == {"acme__shop", "acme__desk", "acme__kpis"}


def test_streams_of_one_account_are_extracted_in_its_pool(described: dict[str, Any]) -> None:
    made = described["with accounts"]
    extracting = {name: dag["pools"].get("streams.extract") for name, dag in made.items()}
    assert extracting == {
        "acme__shop": "acme_desk",
        "acme__desk": "acme_desk",
        "acme__crm": "default_pool",
        "acme__kpis": None,
    }
    assert made["acme__shop"]["pools"]["streams.load"] == "cxflow_duckdb"


def test_a_team_chooses_how_its_tasks_run_and_whom_they_tell(described: dict[str, Any]) -> None:
    made = described["with options"]
    assert made["acme__shop"]["tags"] == ["acme", "cxflow", "daily"]
    assert made["acme__desk"]["tags"] == ["acme", "cxflow", "daily", "desk"]
    for name in ("acme__shop", "acme__kpis"):
        for found in made[name]["options"].values():
            assert found == ["cx", "default", 2, "1:00:00", {}, [1, 0]]
    for found in made["acme__desk"]["options"].values():
        assert found == ["ada", "far", 2, "1:00:00", {"pod": "large"}, [0, 0]]
    for found in described["plain"]["acme__shop"]["options"].values():
        assert found == ["airflow", "default", 1, "None", {}, [0, 0]]


def test_alerts_have_a_dag_of_their_own_if_they_have_a_schedule(described: dict[str, Any]) -> None:
    assert "acme__alerts" not in described["plain"]
    made = described["with alerts"]["acme__alerts"]
    assert made["schedule"] == ["5 7-20 * * *", "Europe/Madrid"]
    assert made["pools"] == {"tell": "cxflow_duckdb"}
    assert made["tries"] == [[2, 60.0]]


def test_a_start_without_zone_is_in_the_project_s(described: dict[str, Any]) -> None:
    assert described["with a start"]["acme__shop"]["start"] == "2026-03-24T23:00:00+00:00"


@pytest.mark.parametrize("connection", REFUSED)
def test_a_connection_that_makes_no_dag_is_refused(described: dict[str, Any], connection: str) -> None:
    assert REFUSED[connection] in described[connection]


def test_the_shipped_dag_file_finds_the_project_in_the_environment(described: dict[str, Any]) -> None:
    # Airflow skips a file whose text lacks these words.
    assert {"airflow", "dag"} <= set(DAG_FILE.read_text().lower().replace("_", " ").replace(".", " ").split())
    assert described["shipped file"] == ["acme__shop", "acme__kpis"]


def test_the_provider_s_card_is_what_airflow_expects(described: dict[str, Any]) -> None:
    assert described["provider"]["package-name"] == "cxflow-framework"


DEADLINE = """
import json, sys
from pathlib import Path
from cxflow.airflow.factory import dags
from cxflow.errors import ConfigError
try:
    print(json.dumps(sorted(dags(Path(sys.argv[1])))))
except ConfigError as problem:
    print(json.dumps(str(problem)))
"""


@pytest.mark.parametrize("executor", ["LocalExecutor", "airflow.executors.base_executor.BaseExecutor"])
def test_a_deadline_needs_an_executor_that_can_tell_of_it(
    script: Script, project: Path, executor: str
) -> None:
    # An executor that cannot would end the scheduler, and with it all loads, at the first missed deadline.
    text = TOML.replace(
        "[connections.shop]\n",
        "[connections.shop]\nairflow = { deadline_seconds = 60, on_deadline = "
        '[{ call = "airflow.providers.smtp.notifications.smtp.SmtpNotifier", to = "cx@acme.example" }] }\n',
        1,
    )
    (project / "cxflow.toml").write_text(text)
    said = script(DEADLINE, project, AIRFLOW__CORE__EXECUTOR=executor)
    if executor == "LocalExecutor":
        assert said == ["acme__kpis", "acme__shop"]
    else:
        assert "shop: deadline_seconds: Airflow's BaseExecutor cannot run what is told of a deadline" in said
