"""Folders for work in progress: who removes them, and what is left alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cxflow import scratch

DIES = """
import os, signal
from cxflow import scratch
with scratch.folder("landing") as folder:
    (folder / "part.parquet").write_text("half")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_a_folder_goes_with_its_block() -> None:
    with scratch.folder("landing") as folder:
        (folder / "inside").mkdir()
        assert folder.is_dir()
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_by_the_next() -> None:
    died = subprocess.run([sys.executable, "-c", DIES], stdout=subprocess.PIPE, text=True, check=False)
    left = Path(died.stdout.strip())
    assert died.returncode == -9
    assert (left / "part.parquet").is_file()
    with scratch.folder("another"):
        assert not left.exists()


def test_what_is_in_use_is_left_alone() -> None:
    with scratch.folder("one") as one, scratch.folder("another") as another:
        assert one.is_dir()
        assert another.is_dir()


def test_what_was_renamed_stays(tmp_path: Path) -> None:
    with scratch.unfinished(tmp_path, "batch.", ".tmp") as folder:
        folder.rename(tmp_path / "batch")
    with scratch.unfinished(tmp_path, "other.", ".tmp"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


def test_what_others_put_there_is_left_alone(tmp_path: Path) -> None:
    mine = [tmp_path / "cxflow-notes", tmp_path / "other.scratch.d"]
    for path in mine:
        path.mkdir()
    file = tmp_path / "a.scratch"
    file.write_text("a file is no folder")
    with scratch.folder("landing"):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([*mine, file])
