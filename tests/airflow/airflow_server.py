"""A real Airflow over a project: started by `up`, asked over its REST API, its tasks killed, stopped. One at a time:
each keeps a machine busy, and several make each other so late that they give no sign of life."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psutil
from airflow_process import clean_environment

_ONE_AT_A_TIME = Path(tempfile.gettempdir()) / f"cxflow-tests-airflow-{os.getuid()}.lock"
"""Named once: tests may change TMPDIR."""

_UP = """
import sys
from pathlib import Path
from cxflow.airflow.standalone import up
say = lambda line: print(line, flush=True)
options = {"database": sys.argv[3] or None, "patience_seconds": float(sys.argv[4])}
sys.exit(up(Path(sys.argv[1]), int(sys.argv[2]), say, **options))
"""


def wait(what: str, look: Any, patience_seconds: float = 900) -> Any:
    """What `look` finds, as soon as it finds something. Other tests may keep the machine busy meanwhile."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        with suppress(OSError):  # a busy machine may be late with an answer
            if found := look():
                return found
        time.sleep(0.3)
    raise AssertionError(f"no {what} within {patience_seconds:g} s")


class AirflowEndedError(Exception):
    """`up` has ended while a test still asks its Airflow: what it said, and the end of its log."""


class Server:
    """The Airflow of a project. As a context manager it starts and stops."""

    def __init__(
        self, project: Path, *, database: str = "", patience_seconds: float = 600, **environment: str
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.logs = project / ".cxflow" / "airflow" / "logs"
        self.said = ""
        """What `up` wrote for people."""
        self.returncode: int | None = None
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._command = [
            *(sys.executable, "-c", _UP, str(project), str(self.port)),
            *(database, str(patience_seconds)),
        ]
        self._environment = {**clean_environment(project / "unused"), **environment}
        self._sessions: set[int] = set()

    def __enter__(self) -> Self:
        self._turn = _ONE_AT_A_TIME.open("w")
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._up = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._up.stdout is not None
        self.said = self._up.stdout.readline() + self._up.stdout.readline()
        self._sessions = {os.getsid(process.pid) for process in self.family()} - {os.getsid(0)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._turn:
            if self.returncode is not None:
                return
            self._up.send_signal(signal.SIGTERM)
            try:
                rest, _ = self._up.communicate(timeout=90)
            except subprocess.TimeoutExpired:
                self._up.kill()
                rest, _ = self._up.communicate()
            self.said += rest
            self.returncode = self._up.returncode

    def ends_by_itself(self, patience_seconds: float) -> None:
        """Wait until it ends by itself."""
        rest, _ = self._up.communicate(timeout=patience_seconds)
        self.said += rest
        self.returncode = self._up.returncode

    def family(self) -> list[psutil.Process]:
        """Every process below `up`."""
        return psutil.Process(self._up.pid).children(recursive=True)

    def left(self) -> list[int]:
        """What still runs of the sessions that it opened."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) in self._sessions and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except (OSError, psutil.Error):
                continue
        return found

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """An answer of Airflow's REST API v2."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                with self._opener.open(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as problem:
                # SQLite refuses to write while another process does: "database is locked".
                if problem.code != 500 or time.monotonic() > deadline:
                    raise
            except OSError as problem:
                if self._up.poll() is None:
                    raise
                assert self._up.stdout is not None
                log = (self.logs / "standalone.log").read_text()[-4000:]
                raise AirflowEndedError(self.said + self._up.stdout.read() + log) from problem
            time.sleep(1)

    def first_run(self, dag: str) -> str:
        """The id of the run that its schedule makes at once."""
        look = wait(f"scheduled run of {dag}", lambda: self.ask(f"/dags/{dag}/dagRuns")["dag_runs"])
        return str(look[-1]["dag_run_id"])

    def run(self, dag: str, run_id: str, about: str = "") -> Any:
        """What there is to know about a run."""
        return self.ask(f"/dags/{dag}/dagRuns/{quote(run_id)}{about}")

    def end(self, dag: str, run_id: str) -> Any:
        """A run, once it has ended."""
        try:
            return wait(f"end of {dag}", lambda: (found := self.run(dag, run_id))["end_date"] and found)
        except AssertionError as problem:
            states = {name: task["state"] for name, task in self.tasks(dag, run_id).items()}
            raise AssertionError(f"{problem}: {run_id} is at {states}") from None

    def tasks(self, dag: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run, by step and stream."""
        found = self.run(dag, run_id, "/taskInstances?limit=100")["task_instances"]
        return {
            f"{task['task_id'].rsplit('.', 1)[-1]} {task['rendered_map_index'] or ''}".strip(): task
            for task in found
        }

    def process(self, task: dict[str, Any]) -> psutil.Process | None:
        """The process in which a task instance runs, below the one that supervises it: one of ours, by its title."""
        for process in self.family():
            with suppress(psutil.Error):
                if f"airflow worker -- {task['id']}" in " ".join(process.cmdline()):
                    return process
        return None

    def log(self, task: dict[str, Any], attempt: int) -> str:
        """What Airflow has written of one try of a task instance."""
        place = f"dag_id={task['dag_id']}/run_id={task['dag_run_id']}/task_id={task['task_id']}"
        mapped = f"/map_index={task['map_index']}" if task["map_index"] >= 0 else ""
        return (self.logs / f"{place}{mapped}/attempt={attempt}.log").read_text()
