"""`cxflow demo` and `cxflow up`: what needs Airflow."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import cxflow

from cxflow.cli import up
from cxflow.cli.demo import widest
from cxflow.demo.check import Fact

HAS_AIRFLOW = importlib.util.find_spec("airflow") is not None
needs_airflow = pytest.mark.skipif(not HAS_AIRFLOW, reason="Airflow is not installed")

NPS = Fact("kpi", "nps all", expected=24.5, found=24.5, expected_n=100, found_n=100)


def test_numbers_agree_up_to_rounding() -> None:
    assert NPS.agrees
    assert dataclasses.replace(NPS, found=24.5 * (1 + 1e-9)).agrees
    assert not dataclasses.replace(NPS, found=24.6).agrees
    assert not dataclasses.replace(NPS, found=None).agrees
    assert not dataclasses.replace(NPS, found_n=99).agrees


def test_a_suppressed_value_agrees_by_its_n() -> None:
    hidden = Fact("kpi", "nps all", expected=24.5, found=None, expected_n=9, found_n=9, is_suppressed=True)
    assert hidden.agrees
    assert not dataclasses.replace(hidden, found_n=8).agrees


def test_the_table_shows_every_kpi_once_a_period_of_the_widest_kind_it_has() -> None:
    places = [
        "nps all",
        "nps all web",
        "nps 2026-03-01",
        "retention_rate 2026-02-01",
        "retention_rate 2026-03-01",
    ]
    found = [Fact("kpi", place, expected=1.0, found=1.0) for place in places]
    others = [Fact("customers", "all", expected=2, found=2)]
    assert [place for place, _ in widest([*found, *others])] == [
        "nps",
        "retention_rate 2026-02-01",
        "retention_rate 2026-03-01",
    ]


@pytest.mark.parametrize("command", ["demo", "up"])
def test_without_airflow_the_extra_is_named(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(up.importlib.util, "find_spec", lambda _: None)
    monkeypatch.chdir(fresh)
    answer = cxflow(command)
    assert answer.code == 78
    assert "Airflow is not installed" in answer.err
    assert "pip install 'cxflow-framework[airflow]'" in answer.err
    assert not (fresh / "demo").exists()


@needs_airflow
def test_the_demo_touches_no_folder_that_is_not_its_own(loaded: Path) -> None:
    answer = cxflow("demo", loaded)
    assert answer.code == 78
    assert "holds something else" in answer.err
    assert (loaded / "warehouse.duckdb").is_file()


@needs_airflow
def test_there_must_be_something_to_keep(tmp_path: Path) -> None:
    answer = cxflow("demo", tmp_path / "none", "--keep")
    assert answer.code == 78
    assert "there is no earlier demo" in answer.err


@needs_airflow
def test_up_hands_over_the_project_and_ends_as_airflow_does(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxflow.airflow import standalone

    asked: list[object] = []

    def stand_in(project: Path, port: int, say: object) -> int:
        asked.extend((project, port))
        return 70

    monkeypatch.setattr(standalone, "up", stand_in)
    assert cxflow("up", "--port", "8123", project=fresh).code == 70
    assert asked == [fresh, 8123]


@needs_airflow
@pytest.mark.long
def test_the_demo_agrees_with_the_truth(tmp_path: Path) -> None:
    # A process of its own: Airflow reads its configuration when it is imported.
    script = "from cxflow.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "demo", str(tmp_path / "demo"), "--scale", "0.3", "--json"],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout)
    assert (said["agrees"], said["differences"]) == (True, [])
    assert said["compared"] > 500
