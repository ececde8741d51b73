"""A warehouse that is locked, or restarts in mid-load: the run says so, and the next one finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fault_shop
import psutil
import psycopg
import pytest
from fault_checker import check
from fault_trip import run
from postgresql_server import server

from cxflow.errors import TransientError, WarehouseBusyError
from cxflow.identity import components
from cxflow.kpis import publication
from cxflow.load import merge
from cxflow.settings import Settings, load

HOLDS = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def is_clean(settings: Settings, source: Path, day: int = 0) -> bool:
    found = check(settings, source, day)
    return (found.lost, found.duplicated, found.unbalanced) == ([], [], [])


def test_a_locked_file_is_said_and_a_later_run_finishes(tmp_path: Path) -> None:
    source = fault_shop.write(tmp_path / "source")
    text = fault_shop.configuration(source, "duckdb:///warehouse.duckdb")
    (tmp_path / "cxflow.toml").write_text(text)
    settings = load(tmp_path)
    impatient = settings.model_copy(
        update={"warehouse": settings.warehouse.model_copy(update={"busy_timeout_seconds": 0.2})}
    )
    run(settings, 0, tmp_path / "tasks", until="prepared")
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "warehouse.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            WarehouseBusyError,
            match=rf"another process has held the warehouse for 0.2 s \(process {holder.pid}, ",
        ):
            run(impatient, 0, tmp_path / "tasks")
        holder.communicate()
    run(impatient, 0, tmp_path / "tasks")
    assert is_clean(settings, source)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (psycopg.Copy, "write"),
        (merge, "decide"),
        (merge, "register"),
        (components, "label"),
        (publication, "latest"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_a_server_that_restarts_in_the_midst_is_said_and_the_next_run_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    source = fault_shop.write(tmp_path / "source")
    with server(tmp_path / "data") as postgresql:
        (tmp_path / "cxflow.toml").write_text(fault_shop.configuration(source, postgresql.get_uri()))
        settings = load(tmp_path)
        step: Callable[..., Any] = getattr(owner, name)

        def restarts(*arguments: Any) -> Any:
            monkeypatch.setattr(owner, name, step)
            # SIGQUIT is PostgreSQL's immediate shutdown: it says goodbye to nobody, and recovers at its start.
            postmaster = psutil.Process(postgresql.get_pid())
            os.kill(postmaster.pid, signal.SIGQUIT)
            postmaster.wait(timeout=60)
            postgresql.ensure_postgres_running()
            return step(*arguments)

        monkeypatch.setattr(owner, name, restarts)
        with pytest.raises(
            TransientError, match=r"connection to the server broke|server closed the connection"
        ):
            run(settings, 0, tmp_path / "tasks")
        assert getattr(owner, name) is step, "it was restarted"
        run(settings, 0, tmp_path / "tasks")
        assert is_clean(settings, source)
