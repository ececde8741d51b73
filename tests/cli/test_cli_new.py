"""`cxflow new connector`: the package passes its own checks at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxflow.cli.app import app


def new(folder: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["new", "connector", *arguments, "--folder", str(folder)])
    return result.exit_code, result.output


def test_a_new_connector_passes_its_tests_its_linter_and_its_types(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    code, output = new(folder, "help_desk")
    assert code == 0, output
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"src/cxflow_help_desk/streams.py", "tests/test_connector.py", "pyproject.toml"} <= files

    # Installed as an editable package would be, without an installer: its entry point, and its folder on the path.
    installed = folder / "src" / "cxflow_help_desk-0.1.0.dist-info"
    installed.mkdir()
    readme = (folder / "README.md").read_text()
    (installed / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: cxflow-help-desk\nVersion: 0.1.0\n\n{readme}"
    )
    (installed / "entry_points.txt").write_text("[cxflow]\nhelp_desk = cxflow_help_desk\n")
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    environment.pop("CI", None)  # the first run writes the snapshot of the mapping
    for command in (
        ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "snapshot"],
        ["-m", "ruff", "check", "--no-cache", "."],
        ["-m", "ruff", "format", "--no-cache", "--check", "."],
        ["-m", "mypy", "--cache-dir", os.devnull],
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-500:])


@pytest.mark.parametrize("name", ["HelpDesk", "help-desk", "2desk", "desk_", "../desk", ""])
def test_a_name_that_no_connector_can_have_is_refused(tmp_path: Path, name: str) -> None:
    code, output = new(tmp_path / "x", name)
    assert code == 78
    assert "snake_case" in output
    assert not (tmp_path / "x").exists()


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    assert new(tmp_path, "desk")[0] == 0
    (tmp_path / "README.md").write_text("mine")
    code, output = new(tmp_path, "desk")
    assert code == 78
    assert "already exists" in output
    assert (tmp_path / "README.md").read_text() == "mine"
