"""The DAGs, as Airflow parses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow_process import Script

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
import json, sys
from pathlib import Path
from airflow.serialization.serialized_objects import DagSerialization
from cxflow.airflow.factory import dags
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
    }
print(json.dumps({name: describe(dag) for name, dag in dags(Path(sys.argv[1])).items()}))
"""


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
    assert rooms == {
        f"cxflow.{room}" for room in ("airflow", "errors", "model", "redaction", "settings", "warehouse")
    }


def test_a_worker_makes_only_the_dag_of_its_task(script: Script, project: Path) -> None:
    parsed = script(PARSE, project, _AIRFLOW_PARSING_CONTEXT_DAG_ID="acme__kpis")
    assert parsed["dags"] == ["acme__kpis"]


def test_a_connection_runs_by_cron_in_the_project_s_zone_and_the_kpis_after_any_load(
    script: Script, project: Path
) -> None:
    with (project / "cxflow.toml").open("a") as file:
        file.write('[connections.desk]\nconnector = "files"\nschedule = "30 1 * * 1-5"\n')
    made = script(DESCRIBE, project)
    assert list(made) == ["acme__shop", "acme__desk", "acme__kpis"]
    assert made["acme__shop"]["schedule"] == ["0 3 * * *", "Europe/Madrid"]
    assert made["acme__desk"]["schedule"] == ["30 1 * * 1-5", "Europe/Madrid"]
    assert made["acme__kpis"]["assets"] == ["cxflow://acme/desk", "cxflow://acme/shop"]
    for dag in made.values():
        assert (dag["catchup"], dag["active"]) == (False, 1)
        assert dag["start"] == "2000-01-01T00:00:00+00:00"
        assert dag["tries"] == [[2, 60.0]]
        assert dag["doc"]


def test_only_tasks_that_stay_in_the_warehouse_wait_for_the_duckdb_pool(
    script: Script, project: Path
) -> None:
    made = script(DESCRIBE, project)
    assert made["acme__shop"]["pools"] == {
        "plan": "cxflow_duckdb",
        "streams.extract": "default_pool",
        "streams.prepare": "default_pool",
        "streams.load": "cxflow_duckdb",
        "announce": "default_pool",
    }
    assert set(made["acme__kpis"]["pools"].values()) == {"cxflow_duckdb"}
    assert set(made["acme__shop"]["named"]) == {"streams.extract", "streams.prepare", "streams.load"}

    with (project / "cxflow.toml").open("a") as file:
        file.write('[warehouse]\nurl = "postgresql+psycopg://cx@localhost/cx"\n')
    made = script(DESCRIBE, project)
    assert {pool for dag in made.values() for pool in dag["pools"].values()} == {"default_pool"}


def test_a_start_without_zone_is_in_the_project_s(script: Script, project: Path) -> None:
    toml = project / "cxflow.toml"
    toml.write_text(toml.read_text().replace("retries = 2", "retries = 2\nstart = 2026-03-25T00:00:00"))
    assert script(DESCRIBE, project)["acme__shop"]["start"] == "2026-03-24T23:00:00+00:00"


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        ("[connections.kpis]", "cannot be called kpis"),
        ('[connections.desk]\nschedule = "0 3 * *"', "desk: schedule: '0 3 * *' is not a cron expression"),
        ("[connections.desk]\nschedule = 3", "desk: schedule: it is no text"),
    ],
)
def test_a_connection_that_makes_no_dag_is_refused(
    script: Script, project: Path, connection: str, says: str
) -> None:
    with (project / "cxflow.toml").open("a") as file:
        file.write(f'{connection}\nconnector = "files"\n')
    code = """
import json, sys
from pathlib import Path
from cxflow.airflow.factory import dags
from cxflow.errors import ConfigError
try:
    dags(Path(sys.argv[1]))
except ConfigError as problem:
    print(json.dumps(str(problem)))
"""
    assert says in script(code, project)


def test_the_shipped_dag_file_finds_the_project_in_the_environment(script: Script, project: Path) -> None:
    file = Path(__file__).parents[2] / "dags" / "cxflow_dags.py"
    # Airflow skips a file whose text lacks these words.
    assert {"airflow", "dag"} <= set(file.read_text().lower().replace("_", " ").replace(".", " ").split())
    code = """
import json, runpy, sys
print(json.dumps([name for name in runpy.run_path(sys.argv[1]) if name.startswith("acme__")]))
"""
    assert script(code, file, CXFLOW_PROJECT=str(project)) == ["acme__shop", "acme__kpis"]


def test_the_provider_s_card_is_what_airflow_expects(script: Script) -> None:
    code = """
import json
import jsonschema, pathlib, airflow
from cxflow.airflow import provider_info
schema = json.loads((pathlib.Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
jsonschema.validate(provider_info(), schema)
print(json.dumps(provider_info()))
"""
    assert script(code)["package-name"] == "cxflow-framework"
