"""`cxflow demo`: what it compares, what it refuses, and the whole of it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from cxflow.cli.app import app
from typer.testing import CliRunner

from cxflow_demo.check import Fact
from cxflow_demo.comparison import widest

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


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands point logs at stderr for their whole process."""
    yield
    structlog.reset_defaults()


def test_the_plugin_brings_one_command() -> None:
    points = importlib.metadata.distribution("cxflow-demo").entry_points
    assert [(point.group, point.name, point.value) for point in points] == [
        ("cxflow.commands", "demo", "cxflow_demo.command")
    ]


def test_help_shows_the_command_and_loads_none_of_what_it_needs() -> None:
    code = (
        "import sys, json\nfrom cxflow.cli import main\ntry:\n    main()\n"
        "finally:\n    sys.stderr.write(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=120, check=True
    )
    assert "three months of an invented company" in " ".join(done.stdout.split())
    assert not {"airflow", "duckdb", "numpy", "pydantic", "sqlalchemy"} & set(json.loads(done.stderr))


def test_the_readme_names_every_option() -> None:
    shown = CliRunner().invoke(app, ["demo", "--help"]).stdout
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for option in ("--seed", "--scale", "--keep"):
        assert option in shown
        assert f"`{option}`" in readme


def test_without_airflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    answer = CliRunner().invoke(app, ["demo", str(tmp_path / "demo")])
    assert answer.exit_code == 78
    assert "Airflow is not installed" in answer.stderr
    assert "pip install 'cxflow-framework[airflow]'" in answer.stderr
    assert not (tmp_path / "demo").exists()


def test_the_demo_touches_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_text("somebody's")
    answer = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert answer.exit_code == 78
    assert "holds something else" in answer.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("warehouse.duckdb", "somebody's")
    ]


def test_there_must_be_something_to_keep(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["demo", str(tmp_path / "none"), "--keep"])
    assert answer.exit_code == 78
    assert "there is no earlier demo" in answer.stderr


@pytest.mark.parametrize(("found", "code"), [(24.5, 0), (24.6, 1)])
def test_one_number_that_differs_is_shown_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: float, code: int
) -> None:
    monkeypatch.setattr("cxflow_demo.command._run", lambda *_: ([], [dataclasses.replace(NPS, found=found)]))
    monkeypatch.setattr("cxflow.warehouse.ledger.totals", lambda _: {})
    company = str(tmp_path / "demo")
    answer = CliRunner().invoke(app, ["demo", company, "--scale", "0.3"])
    assert answer.exit_code == code
    assert ("What differs" in answer.stdout) == bool(code)
    assert f"{1 - code} of 1 numbers agree with the truth." in answer.stdout
    assert (tmp_path / "demo" / "cxflow.toml").is_file()


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
