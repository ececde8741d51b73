"""A disk that fills up: a clear error, nothing half done, and the next run finishes once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fault_shop
import pytest
from fault_checker import check
from fault_trip import run
from postgresql_server import server

from cxflow.errors import CxflowError, TransientError
from cxflow.settings import Settings, load
from cxflow.warehouse import revisions

DISK_MB = 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip(f"this user may not mount a disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(disk: Path, room_bytes: int) -> Iterator[None]:
    """Fills the disk for the block, but for so much."""
    ballast = disk / "ballast"
    found = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - room_bytes)
    yield
    ballast.unlink()


def is_clean(settings: Settings, source: Path) -> bool:
    found = check(settings, source, 0)
    return (found.lost, found.duplicated, found.unbalanced) == ([], [], [])


@pytest.mark.parametrize(
    ("what", "room_bytes"), [("landing", 0), ("scratch", 0), ("scratch", 100_000), ("warehouse", 0)]
)
def test_a_full_disk_is_said_and_the_next_run_finishes(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, what: str, room_bytes: int
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    source = fault_shop.write(tmp_path / "source")
    warehouse = f"duckdb:///{disk}/warehouse.duckdb" if what == "warehouse" else None
    text = fault_shop.configuration(source, warehouse, landing=disk if what == "landing" else None)
    (project / "cxflow.toml").write_text(text)
    settings = load(project)
    revisions.ensure(settings)
    monkeypatch.setattr("tempfile.tempdir", str(disk if what == "scratch" else tmp_path))
    with full(disk, room_bytes), pytest.raises(TransientError, match="disk is full") as told:
        run(settings, 0, tmp_path / "tasks")
    assert told.value.place == "shop.answers" or told.value.place == ""
    (tmp_path / "tasks").unlink(missing_ok=True)
    run(settings, 0, tmp_path / "tasks")
    assert is_clean(settings, source)
    assert not [path for path in disk.rglob("*") if path.suffix in (".tmp", ".scratch")]


def test_a_full_server_is_said_and_the_next_run_finishes(tmp_path: Path, disk: Path) -> None:
    source = fault_shop.write(tmp_path / "source")
    disk.chmod(0o777)
    with server(disk / "data") as postgresql:
        (tmp_path / "cxflow.toml").write_text(fault_shop.configuration(source, postgresql.get_uri()))
        settings = load(tmp_path)
        revisions.ensure(settings)
        with full(disk, 0), pytest.raises(CxflowError) as told:
            run(settings, 0, tmp_path / "tasks")
        assert isinstance(told.value, TransientError), told.value
        (tmp_path / "tasks").unlink(missing_ok=True)
        run(settings, 0, tmp_path / "tasks")
        assert is_clean(settings, source)
