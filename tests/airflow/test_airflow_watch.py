"""`cxflow up` notices that a part of Airflow has died, here with Airflow's own data in PostgreSQL."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from airflow_server import Server
from postgresql_server import Postgresql

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bereft(
    tmp_path_factory: pytest.TempPathFactory, postgresql: Postgresql
) -> tuple[Server, str, list[int], Path]:
    """An Airflow whose scheduler was killed, at its end; its database, what is left of it, and the project."""
    from airflow_process import make_project

    project, database = make_project(tmp_path_factory.mktemp("watch") / "acme"), postgresql()
    # On a busy machine, the living parts may be late with a sign, too.
    with Server(project, database=database, patience_seconds=30) as server:
        for process in server.family():
            with suppress(psutil.Error):  # it ended meanwhile
                if "scheduler" in " ".join(process.cmdline()):
                    process.kill()
        server.ends_by_itself(patience_seconds=300)
    return server, database, server.left(), project


def test_a_dead_scheduler_ends_up_with_a_line_and_an_exit_code(
    bereft: tuple[Server, str, list[int], Path],
) -> None:
    server, _, left, _ = bereft
    assert server.returncode == 70
    assert re.search(r"no sign of life for 30 s from Airflow's scheduler; see .*standalone\.log", server.said)
    assert left == []


def test_the_metadata_are_in_the_database_that_was_named(bereft: tuple[Server, str, list[int], Path]) -> None:
    _, database, _, project = bereft
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM dag WHERE dag_id LIKE 'acme%'").fetchone()
    assert row is not None
    assert row[0] >= 2
    assert not list(project.rglob("airflow.db"))
