"""Runs a project's DAGs in this process, one after the other, without scheduler or server.

For trying a DAG, for tests and for the demo: Airflow's `dag.test()` with a metadata database in the project's
Airflow home. The first run of a process takes about five seconds, then a task takes a tenth of a second. Nothing is
retried after an error, and assets trigger nothing: run the KPI DAG when it is due.

    airflow = LocalAirflow(project)
    airflow.run("acme__shop", conf={"start": "2026-01-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"})
    airflow.run("acme__shop", logical_date=datetime(2026, 3, 2, 3, tzinfo=zone))
    airflow.run("acme__kpis")
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxflow import settings as configuration
from cxflow.airflow import home as homes
from cxflow.errors import ConfigError, CxflowError, FatalError

if TYPE_CHECKING:
    from airflow.sdk import DAG

Watch = Callable[[str, str, str], None]
"""Called with DAG, stream ("" if there is none) and step when a task begins."""


def _silent(dag: str, stream: str, step: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a DAG run ended."""

    dag: str
    run_id: str
    state: str
    """success or failed."""
    seconds: float
    failures: dict[str, str] = field(default_factory=dict)
    """Task, with its stream in parentheses, to its error message."""

    @property
    def succeeded(self) -> bool:
        """Whether every task succeeded."""
        return self.state == "success"


class LocalAirflow:
    """An Airflow in this process. One project per process: Airflow reads its configuration when it is imported.

    Creating it sets environment variables and turns Airflow's logging off (failures are in the `Run`s). Raises
    ConfigError for faulty settings, FatalError if Airflow was already imported for another project.
    """

    def __init__(self, project: Path, home: Path | None = None, watch: Watch = _silent) -> None:
        self.home = (home or homes.of_project(project)).resolve()
        if "airflow" in sys.modules and os.environ.get("AIRFLOW_HOME") != str(self.home):
            raise FatalError("Airflow was imported with another home", fix="use a process per project")
        homes.furnish(project, self.home)
        os.environ.update(homes.environment(project, self.home, port=8080))
        # The DAGs come from the factory. A folder with the same DAGs would be parsed before every run.
        os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(self.home / "empty")
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"

        from cxflow.airflow import factory, pool

        pool.ensure_database()
        pool.ensure_pools(configuration.load(project))
        self.dags: dict[str, DAG] = factory.dags(project)
        self._defaults = {name: dict(dag.params.dump()) for name, dag in self.dags.items()}
        self._watch = watch
        self._failures: dict[str, str] = {}
        self._register()

    def run(
        self, dag: str, *, logical_date: datetime | None = None, conf: Mapping[str, Any] | None = None
    ) -> Run:
        """Run a DAG manually; `intent` decides what it reads.

        With a `logical_date`, as if scheduled for the data interval that ends there: every stream from its cursor up to
        that instant. With `start` and `end` in `conf`: exactly that window. Raises ConfigError for an unknown DAG.
        """
        if dag not in self.dags:
            raise ConfigError(f"there is no DAG {dag!r}", value=dag, fix=f"one of {', '.join(self.dags)}")
        began, began_at = time.perf_counter(), datetime.now(UTC)
        self._failures = {}
        # Always with a date: otherwise Airflow first resets the tasks of all earlier runs. Always with all params: a
        # run leaves its own in the DAG, where the next one would find them.
        instant = logical_date or datetime.now(UTC)
        params = {**self._defaults[dag], **(conf or {})}
        try:
            result = self.dags[dag].test(logical_date=instant, run_conf=params or None)
        finally:
            _note_start(dag, instant, began_at)
        seconds = time.perf_counter() - began
        return Run(dag, result.run_id, str(result.state), seconds, self._failures)

    def _register(self) -> None:
        """Write the DAGs to the metadata database, where Airflow looks up their tasks."""
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

        bundles: Any = DagBundlesManager  # without annotations
        bundles().sync_bundles_to_db()
        bag = DagBag(dag_folder=os.devnull)
        for dag in self.dags.values():
            for task in dag.tasks:
                task.retries = 0  # the caller would wait for minutes without any output
                task.on_execute_callback = [self._begun]
                task.on_failure_callback = [self._failed, *_each(task.on_failure_callback)]
            bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)

    def _begun(self, context: Mapping[str, Any]) -> None:
        stream, step = _label(context)
        self._watch(context["ti"].dag_id, stream, step)

    def _failed(self, context: Mapping[str, Any]) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        stream, step = _label(context)
        problem = context.get("exception")
        known = isinstance(problem, CxflowError | AirflowFailException)
        message = str(problem) if known else f"{type(problem).__name__}: {problem}"
        self._failures[f"{step} ({stream})" if stream else step] = message


def _note_start(dag: str, logical_date: datetime, began_at: datetime) -> None:
    """Write when a run began: `dag.test()` starts it at its logical date, and a past day seems to last for months."""
    import sqlalchemy as sa
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    ours = sa.and_(DagRun.dag_id == dag, DagRun.logical_date == logical_date)
    with create_session() as session:
        session.execute(sa.update(DagRun).where(ours).values(start_date=began_at))


def _each(callbacks: Any) -> list[Any]:
    """Callbacks as a list: Airflow takes one, several or none."""
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks] if callbacks else []


def _label(context: Mapping[str, Any]) -> tuple[str, str]:
    """A task's stream ("" if it has none) and step."""
    task = context["ti"]
    return task.rendered_map_index or "", task.task_id.rsplit(".", 1)[-1]


def main(arguments: list[str] | None = None) -> int:
    """`python -m cxflow.airflow.local_run PROJECT DAG…`: run DAGs and write one line of JSON for each."""
    parser = argparse.ArgumentParser(prog="python -m cxflow.airflow.local_run", description=main.__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("dags", nargs="+", metavar="DAG")
    parser.add_argument(
        "--logical-date", type=datetime.fromisoformat, help="as if scheduled for this time: ISO 8601"
    )
    parser.add_argument("--conf", type=json.loads, help='JSON, such as {"start": …, "end": …}')
    chosen = parser.parse_args(arguments)
    airflow = LocalAirflow(chosen.project)
    runs = [airflow.run(dag, logical_date=chosen.logical_date, conf=chosen.conf) for dag in chosen.dags]
    for run in runs:
        sys.stdout.write(json.dumps(asdict(run)) + "\n")
    return 0 if all(run.succeeded for run in runs) else FatalError.exit_code


if __name__ == "__main__":
    sys.exit(main())
