"""The project's own Airflow: files and environment, without starting anything."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from cxflow.airflow import home
from cxflow.errors import ConfigError


def test_it_listens_on_this_machine_only_and_its_tasks_know_the_port(project: Path) -> None:
    found = home.environment(project, home.of_project(project), 8123)
    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["AIRFLOW__API__PORT"] == "8123"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"


@pytest.mark.parametrize("kind", ["postgresql", "postgres", "postgresql+psycopg"])
def test_its_own_data_may_be_in_postgresql(project: Path, kind: str) -> None:
    found = home.environment(project, home.of_project(project), 8080, f"{kind}://cx:pass@localhost/airflow")
    both = {name: value for name, value in found.items() if "SQL_ALCHEMY_CONN" in name}
    assert set(both.values()) == {"postgresql+psycopg://cx:pass@localhost/airflow"}
    assert len(both) == 2


@pytest.mark.parametrize("url", ["mysql://cx:pass@localhost/airflow", "cx:pass@localhost", "postgresql://"])
def test_another_database_for_its_own_data_is_refused_without_its_password(project: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="not the URL of a PostgreSQL database") as refused:
        home.environment(project, home.of_project(project), 8080, url)
    assert "pass" not in f"{refused.value} {refused.value.value} {refused.value.fix}"


def test_the_settings_of_another_airflow_do_not_leak_in_but_secrets_do(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "another")
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    found = home.environment(project, home.of_project(project), 8080)
    assert found["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "AIRFLOW__CORE__FERNET_KEY" not in found
    assert found["AIRFLOW_HOME"] == str(project / ".cxflow" / "airflow")
    assert found["SHOP_TOKEN"] == "secret"


def test_the_home_is_private_and_its_dag_file_names_the_project(project: Path) -> None:
    folder = home.of_project(project)
    home.furnish(project, folder)
    home.furnish(project, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    dag_file = (folder / "dags" / "cxflow_dags.py").read_text()
    assert repr(str(project)) in dag_file
    assert "airflow" in dag_file
    for file in folder.rglob("*.py"):
        compile(file.read_text(), file, "exec")


def test_faulty_settings_are_told_before_airflow_starts(project: Path) -> None:
    (project / "cxflow.toml").write_text("[projekt]\n")
    with pytest.raises(ConfigError, match="did you mean 'project'"):
        home.furnish(project, home.of_project(project))
    assert not home.of_project(project).exists()


def test_a_port_in_use_is_refused(project: Path) -> None:
    pytest.importorskip("psutil", reason="Airflow brings it")
    from cxflow.airflow.standalone import Standalone

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use"):
            Standalone(project, port).start()
