"""A project's private Airflow: its folder, and the environment of all its processes.

Everything is in `<project>/.cxflow/airflow`; `standalone` and `local_run` share it, so that `cxflow up` shows the runs
of both. Airflow reads its environment when it is imported, hence variables instead of a file.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from cxflow import settings as configuration
from cxflow.errors import ConfigError

_SERVERS = ("postgresql+psycopg://", "postgresql://", "postgres://")
_DAGS = '''\
"""Made by cxflow: the Airflow DAGs of the project in `PROJECT`."""

from pathlib import Path

from cxflow.airflow.factory import dags

PROJECT = Path({project!r})

globals().update(dags(PROJECT))
'''

_LOCAL_SETTINGS = '''\
"""Made by cxflow. Airflow imports it in each of its processes."""

import sys

__all__ = ()

if "scheduler" in sys.argv:
    # LocalExecutor forks its workers from the scheduler, so they inherit what each task would import.
    import cxflow.flow
    from cxflow.validate.runner import great_expectations

    great_expectations()

    # It also copies task logs to the scheduler's log, where nothing is masked. Every task has its own log.
    from airflow.executors.base_executor import BaseExecutor

    run = BaseExecutor.run_workload
    BaseExecutor.run_workload = staticmethod(
        lambda workload, **options: run(workload, **{**options, "subprocess_logs_to_stdout": False})
    )

if {"scheduler", "triggerer"} & set(sys.argv):
    # Their log servers listen on all interfaces, on fixed ports. Here every log is a local file.
    import airflow.utils.serve_logs

    airflow.utils.serve_logs.serve_logs = lambda port=None: None
'''


def require_airflow() -> None:
    """Raise ConfigError if Airflow, an extra, is not installed."""
    if importlib.util.find_spec("airflow") is None:
        raise ConfigError("Airflow is not installed", fix="pip install 'cxflow-framework[airflow]'")


def of_project(project: Path) -> Path:
    """The project's AIRFLOW_HOME."""
    return project.resolve() / ".cxflow" / "airflow"


def furnish(project: Path, home: Path) -> None:
    """Create the home's folders and files.

    Raises ConfigError if the project's settings are faulty or Airflow is not installed.
    """
    require_airflow()
    configuration.load(project)  # before Airflow hides the message in an import error
    home.mkdir(mode=0o700, parents=True, exist_ok=True)  # airflow.cfg will hold keys
    for folder in ("dags", "plugins", "config", "logs", "empty"):
        (home / folder).mkdir(exist_ok=True)
    (home / ".gitignore").write_text("*\n")
    (home / "dags" / "cxflow_dags.py").write_text(_DAGS.format(project=str(project.resolve())))
    (home / "config" / "airflow_local_settings.py").write_text(_LOCAL_SETTINGS)


def environment(project: Path, home: Path, port: int, database: str | None = None) -> dict[str, str]:
    """The environment of every process of the project's Airflow, with its API on a TCP port.

    It is this process's environment, secrets of connections included, without settings of another Airflow. The API
    listens on 127.0.0.1 only, because everyone who reaches it is an administrator. `database`: the URL of a PostgreSQL
    database for the metadata; None: a SQLite file in the home. Raises ConfigError for another kind of URL.
    """
    metadata = _server(database) if database else f"sqlite:///{home / 'airflow.db'}"
    scripts = str(Path(sys.executable).parent)  # `airflow standalone` looks for `airflow` on the PATH
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    return {
        **inherited,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
        "CXFLOW_PROJECT": str(project.resolve()),
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # The default of 32 keeps forty processes waiting for a handful of streams.
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata.replace("sqlite:", "sqlite+aiosqlite:", 1),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        # The scheduler is up before the API. The first tasks wait for it, on a slow machine for a minute.
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "15",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "10",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        # A change of cxflow.toml does not touch the DAG file: it takes effect when the file is parsed again.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    }


def _server(url: str) -> str:
    """The URL with the driver that both of Airflow's engines can use, and that `[postgres]` installs."""
    kind, _, place = url.partition("://")
    if not url.startswith(_SERVERS) or not place:
        raise ConfigError(
            "Airflow's database: not the URL of a PostgreSQL database",
            value=kind if place else None,  # anything else may hold a password
            fix="such as postgresql://airflow@localhost/airflow",
        )
    if importlib.util.find_spec("psycopg") is None:
        raise ConfigError("psycopg is not installed", fix="pip install 'cxflow-framework[postgres]'")
    return f"{_SERVERS[0]}{place}"
