"""The tutorial's connector is one: its files replace those of `cxflow new`, and every check passes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxflow.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial-connector.md").read_text()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package at the tutorial's end, installed as an editable one would be."""
    folder = tmp_path_factory.mktemp("tutorial") / "cxflow-smiley"
    made = CliRunner().invoke(app, ["new", "connector", "smiley", "--folder", str(folder)])
    assert made.exit_code == 0, made.output
    replaced = re.findall(r"^(?:.* )?[Rr]eplace\s`([\w/.]+)`", PAGE, flags=re.MULTILINE)
    written = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert [Path(name).name for name in replaced] == [
        "service.py",
        "streams.py",
        "connector.py",
        "test_connector.py",
    ]
    for name, code in zip(replaced, written, strict=True):
        assert (folder / name).exists(), "it replaces a file of the scaffold"
        (folder / name).write_text(code)
    readme = folder / "README.md"
    [row] = re.findall(r"```markdown\n(.*?)```", PAGE, flags=re.DOTALL)
    readme.write_text(re.sub(r"(?m)^\| `tickets` .*\n", lambda _: row, readme.read_text()))
    assert row in readme.read_text()
    # As the package's first test run has left it.
    (folder / "tests" / "snapshots").mkdir()
    (folder / "tests" / "snapshots" / "TestSmiley.json").write_text("{}")
    installed = folder / "src" / "cxflow_smiley-0.1.0.dist-info"
    installed.mkdir()
    metadata = "Metadata-Version: 2.1\nName: cxflow-smiley\nVersion: 0.1.0\n\n"
    (installed / "METADATA").write_text(metadata + readme.read_text())
    (installed / "entry_points.txt").write_text("[cxflow]\nsmiley = cxflow_smiley\n")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["pytest", "-q", "-p", "no:cacheprovider"],
        ["ruff", "check", "--no-cache", "."],
        ["mypy", "--cache-dir", os.devnull],
    ],
    ids=lambda command: command[0],
)
def test_the_package_passes_its_checks(package: Path, command: list[str]) -> None:
    done = _run("-m", *command, package=package, folder=package)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-500:]


SERVE = """
from cxflow.cli import main
from cxflow.testing.service import served
from cxflow_smiley.service import VOTES, SmileyService
import pathlib, sys
with served(SmileyService(VOTES).application) as url:
    settings = pathlib.Path("cxflow.toml")
    settings.write_text(settings.read_text().replace("http://127.0.0.1:8765", url))
    try:
        main()
    finally:
        settings.write_text(settings.read_text().replace(url, "http://127.0.0.1:8765"))
"""
"""`cxflow`, with Smiley at a free port beside it."""


def test_what_the_tutorial_shows_is_what_is_printed(package: Path, tmp_path: Path) -> None:
    [toml] = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "cxflow.toml").write_text(toml)
    shown = "".join(re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL))
    compared = 0
    for command, *expected in (block.splitlines() for block in shown.split("$ ")[1:]):
        if not command.startswith("cxflow "):
            continue
        done = _run("-c", SERVE, *command.split()[1:], package=package, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        printed = [line.split() for line in done.stdout.splitlines()]
        for line in expected:
            assert line.split() in printed, f"{command}: {line}"
        compared += len(expected)
    assert compared > 12


def _run(*arguments: str, package: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(package / "src"),
        "SMILEY_TOKEN": "an-invented-token",
        "CXFLOW_SNAPSHOTS": "write",
    }
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
