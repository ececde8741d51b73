"""`cxflow sandbox`: what it serves and says, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from cxflow.cli.app import app
from cxflow.testing import TestProject
from typer.testing import CliRunner

from cxflow_demo import folders, sandbox
from cxflow_demo.company import VENDORS, Company
from cxflow_demo.simulation import simulate


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands point logs at stderr for their whole process."""
    yield
    structlog.reset_defaults()


def refusal(*arguments: str) -> str:
    """What the command says of a fault."""
    answer = CliRunner().invoke(app, ["sandbox", *arguments])
    assert answer.exit_code == 78, answer.output
    return " ".join(answer.stderr.split())


def free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(20_000, 60_000, 97):
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise AssertionError("no ports are free")


def test_the_sandbox_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    # What a shell starts in the background ignores the signal, and so do its children.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script = f"{heard}; from cxflow.cli import main; main()"
    port = free_ports(len(VENDORS))
    arguments = ["sandbox", str(tmp_path / "box"), "--scale", "0.02", "--port", str(port), "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
    ) as running:
        assert running.stdout
        text = ""
        for line in running.stdout:
            text += line
            if line == "}\n":
                break
        said: dict[str, Any] = json.loads(text)
        assert list(said["services"]) == list(VENDORS)
        assert said["services"]["shopify"] == f"http://127.0.0.1:{port}"
        assert said["environment"]["SHOPIFY_URL"] == said["services"]["shopify"]
        for url in said["services"].values():
            with pytest.raises(urllib.error.HTTPError) as answered:
                urllib.request.urlopen(f"{url}/nothing-is-here", timeout=20)
            assert answered.value.code == 404
            answered.value.close()
        running.send_signal(signal.SIGINT)
        _, complaints = running.communicate(timeout=60)
        assert complaints == ""
        assert running.returncode == 0


def test_the_first_run_of_the_sandboxes_project_reads_everything_and_loads_what_is_good() -> None:
    shipped = tomllib.loads(folders.project())
    found = tomllib.loads(sandbox._project(folders.project()))
    assert found.pop("quality") == {"max_rejected_share": 1.0}
    assert all("start" in connection for connection in shipped["connections"].values())
    for connection in shipped["connections"].values():
        del connection["start"]
    assert found == shipped


def test_a_service_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    text = refusal(str(tmp_path / "box"), "--service", "shopfy")
    assert "there is no service 'shopfy'" in text
    assert ", ".join(VENDORS) in text
    assert not (tmp_path / "box").exists()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        text = refusal(str(tmp_path / "box"), "--port", port, "--scale", "0.02")
    assert f"port {port} cannot be used for shopify" in text
    assert "choose another with --port" in text


def test_a_day_outside_of_the_period_is_told(tmp_path: Path) -> None:
    assert "a day from 2026-01-01 to 2026-03-31" in refusal(str(tmp_path / "box"), "--day", "2026-04-01")


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("somebody's")
    assert "holds something else" in refusal(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_another_company_does_not_replace_the_one_that_a_warehouse_is_of(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text('{"seed": 7, "scale": 0.02}')
    text = refusal(str(tmp_path), "--scale", "0.03")
    assert "holds the company of seed 7 and scale 0.02" in text
    assert [path.name for path in tmp_path.iterdir()] == ["truth.json"]


def test_there_must_be_a_sandbox_to_check(tmp_path: Path) -> None:
    assert "there is no sandbox in" in refusal(str(tmp_path), "--check")


def test_what_a_project_made_of_the_sandbox_is_compared_with_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = simulate(seed=7, scale=0.02)
    (tmp_path / "truth.json").write_text(simulated.truth.as_json())
    company = Company(simulated.deliveries, ["shopify"])
    connections = {"shop": tomllib.loads(folders.project())["connections"]["shop"]}
    del connections["shop"]["start"]
    # Of so few records, many are bad.
    quality = {"max_rejected_share": 1.0}
    with company.served() as urls:
        for name, value in company.environment(urls).items():
            monkeypatch.setenv(name, value)
        project = TestProject(
            tmp_path,
            {"quality": quality, "project": {"timezone": "Europe/Madrid"}, "connections": connections},
        )
        project.run()
        project.settle()
    answer = CliRunner().invoke(app, ["sandbox", str(tmp_path), "--check", "--json"])
    assert answer.exit_code == 1, "the other systems were not read"
    said = json.loads(answer.stdout)
    wrong = {(fact["what"], fact["place"]) for fact in said["differences"]}
    assert ("records", "desk.tickets") in wrong
    assert ("records", "shop.orders") not in wrong
    assert ("kpi", "return_rate all") not in wrong
