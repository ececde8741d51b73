"""A real Airflow over a project: booted, asked over its REST API, and stopped to the last process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
from airflow_process import clean_environment, run_script

pytestmark = pytest.mark.slow

MIGRATE = """
import json, sys
from pathlib import Path
from cxflow import settings as configuration
from cxflow.store import schema
print(json.dumps(schema.migrate(configuration.load(Path(sys.argv[1])))))
"""

UP = """
import sys
from pathlib import Path
from cxflow.airflow.standalone import up
sys.exit(up(Path(sys.argv[1]), int(sys.argv[2]), lambda line: print(line, flush=True)))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Api:
    """Airflow's REST API v2."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v2"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=60) as answer:
            return json.load(answer)

    def run(self, dag: str, run_id: str, about: str = "") -> Any:
        return self.ask(f"/dags/{dag}/dagRuns/{quote(run_id)}{about}")


def wait(what: str, look: Any, patience_seconds: float) -> Any:
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        with suppress(OSError):  # a busy machine may be late with an answer
            if found := look():
                return found
        time.sleep(1)
    raise AssertionError(f"no {what} within {patience_seconds:g} s")


def session_of(pid: int) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found


def test_up_runs_the_dags_and_leaves_no_process_behind(project: Path, tmp_path: Path) -> None:
    import psutil

    toml = project / "cxflow.toml"
    toml.write_text(toml.read_text().replace("retries = 2", "retries = 0"))  # a failure is told at once
    run_script(tmp_path, MIGRATE, project)
    port = free_port()
    api = Api(port)
    up = subprocess.Popen(
        [sys.executable, "-c", UP, str(project), str(port)],
        env=clean_environment(tmp_path / "unused"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    sessions: set[int] = set()
    try:
        assert up.stdout is not None
        lines = [up.stdout.readline(), up.stdout.readline()]
        assert f"Airflow runs at http://127.0.0.1:{port}" in lines[1], lines
        family = psutil.Process(up.pid).children(recursive=True)
        sessions = {os.getsid(process.pid) for process in family} - {os.getsid(0)}
        assert len(sessions) == 1
        listening = {
            connection.laddr.ip
            for process in family
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}

        dags = wait("DAGs", lambda: api.ask("/dags")["dags"], 120)
        assert {dag["dag_id"] for dag in dags} == {"acme__shop", "acme__kpis"}

        # It is not paused, so the last complete interval runs by itself; nothing may overlap with it.
        scheduled = wait("scheduled run", lambda: api.ask("/dags/acme__shop/dagRuns")["dag_runs"], 120)[0]
        by_hand = api.ask("/dags/acme__shop/dagRuns", {"logical_date": None, "conf": {}})
        for run in (scheduled, by_hand):
            ended = wait(
                "end of a run",
                lambda run=run: (found := api.run("acme__shop", run["dag_run_id"]))["end_date"] and found,
                300,
            )
            assert ended["state"] == "success", (project / ".cxflow/airflow/logs/standalone.log").read_text()

        plan = f"/dags/acme__shop/dagRuns/{quote(scheduled['dag_run_id'])}/taskInstances/plan/xcomEntries/"
        (trip,) = api.ask(plan + "return_value")["value"]
        assert trip["mode"] == "scheduled"
        assert trip["window"]["end"][:16] == scheduled["data_interval_end"][:16]

        # The scheduled run announces, too, though its window ends before the file was written. The KPI run to wait
        # for is the one that takes up what the run by hand announced.
        def kpis_of_the_load() -> Any:
            for run in api.ask("/dags/acme__kpis/dagRuns")["dag_runs"]:
                taken_up = api.run("acme__kpis", run["dag_run_id"], "/upstreamAssetEvents")["asset_events"]
                if by_hand["dag_run_id"] in {event["source_run_id"] for event in taken_up}:
                    return run["end_date"] and run
            return None

        assert wait("KPI run after the load", kpis_of_the_load, 300)["state"] == "success"
    finally:
        up.send_signal(signal.SIGTERM)
        try:
            up.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            up.kill()
            up.communicate()
    assert up.returncode == 0
    assert [pid for session in sessions for pid in session_of(session)] == []
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.sql("SELECT count(*) FROM touchpoint").fetchone() == (3,)
        assert warehouse.sql("SELECT count(*) > 0 FROM kpi_value").fetchone() == (True,)
