"""Ctrl-C and SIGTERM in the midst of `cxflow run`: a short word, the right exit code, and the next run finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import fault_shop
import pytest
from fault_checker import check
from typer.testing import CliRunner

from cxflow.cli.app import app
from cxflow.settings import Settings, load

RUNS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may have been told to ignore it
from {module} import {name}
real = {name}
def told(*arguments, **options):
    print("reached", flush=True)
    return real(*arguments, **options)
import {module}
{module}.{name} = told
from cxflow.cli import main
main()
"""
PLACES = [
    ("cxflow.conform.batch", "conform"),
    ("cxflow.load.merge", "decide"),
    ("cxflow.kpis.calculator", "compute"),
]


@pytest.fixture
def project(tmp_path: Path) -> tuple[Settings, Path]:
    source = fault_shop.write(tmp_path / "source")
    (tmp_path / "cxflow.toml").write_text(fault_shop.configuration(source))
    (tmp_path / "tmp").mkdir()
    return load(tmp_path), source


def line(folder: Path) -> list[str]:
    return ["--project", str(folder), "run", "--until", fault_shop.end(0).isoformat()]


def interrupt(folder: Path, place: tuple[str, str], sent: signal.Signals) -> tuple[int, str]:
    """`cxflow run` in a process of its own, with a signal once it comes to a place; exit code and stderr."""
    module, name = place
    command = [sys.executable, "-c", RUNS.format(module=module, name=name), *line(folder)]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reached\n"
        process.send_signal(sent)
        _, said = process.communicate(timeout=120)
        return process.returncode, said


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[1])
def test_an_interrupted_run_says_so_and_the_next_one_finishes(
    project: tuple[Settings, Path], place: tuple[str, str]
) -> None:
    settings, source = project
    for sent, code, word in ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")):
        ended, said = interrupt(settings.folder, place, sent)
        assert ended == code, said
        assert f"{word}: nothing is left half done" in said
        assert "Traceback" not in said
        assert list((settings.folder / "tmp").iterdir()) == []
        assert list((settings.folder / "landing").rglob("*.tmp")) == []
    finished = CliRunner().invoke(app, line(settings.folder))
    assert finished.exit_code == 0, finished.stderr
    found = check(settings, source, 0)
    assert (found.lost, found.duplicated, found.unbalanced) == ([], [], [])
