"""The files of docs/deploy name programs, options, extras, volumes and variables that exist."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cxflow.cli.app import app

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((FILES / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FILES / name)
    return parser


@pytest.mark.parametrize("name", ["cxflow.service", "cxflow-run.service"])
def test_a_unit_starts_a_command_with_options_that_it_has(name: str) -> None:
    program, *arguments = shlex.split(unit(name)["Service"]["ExecStart"])
    assert program == "/opt/cxflow/bin/cxflow"
    answer = CliRunner().invoke(app, [*arguments, "--help"])
    assert answer.exit_code == 0, answer.output
    options = [each for each in arguments if each.startswith("--")]
    assert all(option in answer.output for option in options)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["cxflow.service", "cxflow-run.service", "cxflow-run.timer"])
def test_systemd_understands_the_units(name: str, tmp_path: Path) -> None:
    for file in FILES.glob("cxflow*"):
        text = file.read_text().replace("/opt/cxflow/bin/cxflow", sys.executable)
        (tmp_path / file.name).write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True, check=False
    )
    about = [line for line in said.stderr.splitlines() if "cxflow" in line]
    assert (said.returncode, about) == (0, [])


def test_the_services_of_compose_depend_on_each_other_and_on_volumes_that_exist() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        mounted = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert mounted <= set(COMPOSE["volumes"])
        assert {each["source"] for each in service.get("configs", [])} <= set(COMPOSE["configs"])
    programs = {
        service["command"][1] for service in SERVICES.values() if service.get("command", [""])[0] == "airflow"
    }
    assert programs == {"scheduler", "dag-processor", "triggerer", "api-server"}


def test_the_variables_that_compose_needs_are_those_that_it_says() -> None:
    text = (FILES / "compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?\}", text))
    head = text.partition("x-airflow")[0]
    assert needed
    assert all(name in head for name in needed)


def test_the_image_has_extras_that_exist_and_the_project_where_the_dag_file_looks() -> None:
    text = (FILES / "Dockerfile").read_text()
    (extras,) = re.findall(r'"cxflow-framework\[([\w,]+)\]"', text)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= set(known)
    assert "CXFLOW_PROJECT=/srv/cx" in text
    assert "COPY --chown=cxflow project /srv/cx" in text
    assert "CXFLOW_PROJECT" in (ROOT / "dags" / "cxflow_dags.py").read_text()
    made = next(line for line in text.splitlines() if line.startswith("RUN mkdir"))
    mounted = {each.partition(":")[2] for each in COMPOSE["x-airflow"]["volumes"]}
    assert all(folder in made for folder in mounted)
