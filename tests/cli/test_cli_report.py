"""`cxflow report`, over the project that `cxflow init` writes, on both databases."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import cxflow, edit


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    return str(request.param)


both = pytest.mark.parametrize("database", ["duckdb", "postgresql"], indirect=True)


@both
def test_it_writes_one_page_that_only_its_owner_reads(own: Path, database: str) -> None:
    answer = cxflow("report", project=own)
    path = own / "report.html"
    assert (answer.code, answer.out.strip()) == (0, f"wrote {path}")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert '<html lang="en">' in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(own.glob(".report.html*"))


def test_language_period_and_place_can_be_chosen(own: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "informe.html"
    answer = cxflow("report", "--language", "es", "--output", path, "--json", project=own)
    assert answer.code == 0
    assert answer.json["path"] == str(path)
    assert answer.json["bytes"] == path.stat().st_size
    assert '<html lang="es">' in path.read_text(encoding="utf-8")
    edit(own, "[project]", '[report]\nlanguage = "es"\nverbatims = false\n\n[project]')
    assert cxflow("report", project=own).code == 0
    assert "report.verbatims" in (own / "report.html").read_text(encoding="utf-8")


def test_a_page_that_is_there_is_replaced_and_keeps_its_mode(own: Path) -> None:
    path = own / "report.html"
    path.write_text("old")
    path.chmod(0o644)
    assert cxflow("report", project=own).code == 0
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--period", "soon"], "--period is not a period: 'soon'"),
        (["--period", "2099-01"], "the month of 2099-01-01 is not over in the data"),
        (["--as-of", "soon"], "--as-of is not an ISO 8601 date or time"),
        (["--output", "."], "--output is a folder"),
    ],
)
def test_wrong_options_are_told(loaded: Path, options: list[str], message: str) -> None:
    answer = cxflow("report", *options, project=loaded)
    assert answer.code == 78
    assert message in answer.err


def test_without_a_warehouse_it_says_what_to_do(fresh: Path) -> None:
    answer = cxflow("report", project=fresh)
    assert answer.code == 78
    assert "the warehouse has no tables yet" in answer.err
    assert not (fresh / "report.html").exists()


@pytest.mark.parametrize("library", ["vl_convert", "jinja2"])
def test_without_its_libraries_it_says_how_to_install_them(
    loaded: Path, tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    answer = cxflow("report", "--output", tmp_path / "page.html", project=loaded)
    assert answer.code == 78
    assert "pip install 'cxflow-framework[report]'" in answer.err


def test_no_other_command_loads_them() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cxflow.cli.app import app\n"
        "assert CliRunner().invoke(app, ['kpis', '--help']).exit_code == 0\n"
        "assert not {'vl_convert', 'jinja2', 'cxflow.report'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
