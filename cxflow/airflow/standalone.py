"""`cxflow up`: runs a complete Airflow for one project on this machine, until its last process has ended.

For one person or a small team; `docs/airflow.md` describes how to add a project to an existing Airflow.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from cxflow.airflow import home as homes
from cxflow.errors import ConfigError, FatalError

if TYPE_CHECKING:
    import psutil  # type: ignore[import-untyped]  # it has no stubs; installed with Airflow

START_PATIENCE_SECONDS = 180.0
"""How long Airflow may take to become healthy; it usually takes 15 to 30 s."""
STOP_PATIENCE_SECONDS = 15.0
"""How long it may take to end before its processes are terminated one by one."""

AILING_PATIENCE_SECONDS = 120.0
"""How long a component may be without a sign of life, once Airflow runs, before `up` ends. On a busy machine, a healthy
one may be late by half a minute."""

_COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
_LOOK_SECONDS = 5.0


class Standalone:
    """`airflow standalone` in a separate session. As a context manager, it starts and stops Airflow."""

    def __init__(
        self, project: Path, port: int, home: Path | None = None, database: str | None = None
    ) -> None:
        self.project = project.resolve()
        self.port = port
        self.database = database
        self.home = home or homes.of_project(project)
        self.url = f"http://127.0.0.1:{port}"
        self.log = self.home / "logs" / "standalone.log"
        self._parent: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Create the home, the metadata database and the pools, and start Airflow. Does not wait for it.

        Raises ConfigError for faulty settings or a port in use, FatalError if the metadata database cannot be created
        or migrated.
        """
        _claim(self.port)
        homes.furnish(self.project, self.home)
        environment = homes.environment(self.project, self.home, self.port, self.database)
        with self.log.open("wb") as log:
            # -P: do not import from the working directory.
            prepared = subprocess.run(
                [sys.executable, "-P", "-m", "cxflow.airflow.pool", str(self.project)],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=START_PATIENCE_SECONDS,
                check=False,
                start_new_session=True,
            )
            if prepared.returncode != 0:
                raise FatalError(
                    "Airflow's metadata database cannot be created or migrated", fix=f"see {self.log}"
                )
            self._parent = subprocess.Popen(
                [sys.executable, "-P", "-m", "airflow", "standalone"],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C must reach only this process, and every process of the session is ours to end.
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the parent process runs."""
        return self._parent is not None and self._parent.poll() is None

    def ailing(self) -> list[str]:
        """The components that report no sign of life; the API server if it does not answer."""
        # Without proxies: a request to this machine stays on it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/api/v2/monitor/health", timeout=5) as answer:
                report = json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return ["api_server"]
        return [each for each in _COMPONENTS if (report.get(each) or {}).get("status") != "healthy"]

    def wait_until_healthy(
        self, patience_seconds: float = START_PATIENCE_SECONDS, stopping: threading.Event | None = None
    ) -> bool:
        """True once it is healthy, False if `stopping` was set first.

        Raises FatalError if it ends first, or takes longer than `patience_seconds`.
        """
        stopping = stopping or threading.Event()
        deadline = time.monotonic() + patience_seconds
        while not stopping.wait(0.5):
            if not self.alive:
                raise FatalError("Airflow ended while it was starting", fix=f"see {self.log}")
            if not self.ailing():
                return True
            if time.monotonic() > deadline:
                raise FatalError(
                    f"Airflow is not healthy after {patience_seconds:g} s", fix=f"see {self.log}"
                )
        return False

    def processes(self) -> list[psutil.Process]:
        """Its running processes: all of the session that `start` opened, orphans included."""
        return _session(self._parent.pid) if self._parent else []

    def stop(self, patience_seconds: float = STOP_PATIENCE_SECONDS) -> None:
        """Stop Airflow, and terminate processes that do not end by themselves. Does nothing if none runs.

        The parent gets SIGINT: after SIGTERM, `airflow standalone` would leave the scheduler behind.
        """
        if self._parent is None:
            return
        if self._parent.poll() is None:
            self._parent.send_signal(signal.SIGINT)
        deadline = time.monotonic() + patience_seconds
        while self._parent.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        for end in ("terminate", "kill"):
            deadline = time.monotonic() + 10
            asked: set[int] = set()
            while (left := self.processes()) and time.monotonic() < deadline:
                for process in left:
                    if process.pid not in asked:
                        _quietly(getattr(process, end))
                        asked.add(process.pid)
                self._parent.poll()
                time.sleep(0.1)
        self._parent.wait(timeout=10)


def up(
    project: Path,
    port: int,
    say: Callable[[str], None],
    *,
    database: str | None = None,
    patience_seconds: float = AILING_PATIENCE_SECONDS,
) -> int:
    """Run Airflow for a project until Ctrl-C or SIGTERM. `say` is called with progress messages.

    `database`: the URL of a PostgreSQL database for Airflow's metadata; None: a SQLite file in its home. Returns 0
    after such a stop, 70 if Airflow ended by itself or a component gave no sign of life for `patience_seconds`. Raises
    ConfigError or FatalError if it does not start. In every case, nothing is left running.
    """
    with _stop_signals() as stopping, Standalone(project, port, database=database) as airflow:
        say(f"Airflow is starting; its log is {airflow.log}")
        if airflow.wait_until_healthy(stopping=stopping):
            say(f"Airflow runs at {airflow.url}; Ctrl-C stops it")
        trouble = _watch(airflow, stopping, patience_seconds)
        say(f"{trouble}; see {airflow.log}" if trouble else "Airflow is stopping")
    return FatalError.exit_code if trouble else 0


def _watch(airflow: Standalone, stopping: threading.Event, patience_seconds: float) -> str | None:
    """Wait until Airflow is to stop; returns why if that is not because `stopping` was set."""
    looked = well = time.monotonic()
    while not stopping.wait(0.5):
        if not airflow.alive:
            return "Airflow ended by itself"
        if time.monotonic() - looked < _LOOK_SECONDS:
            continue
        ailing = airflow.ailing()
        looked = time.monotonic()
        if not ailing:
            well = looked
        elif looked - well > patience_seconds:
            return f"no sign of life for {patience_seconds:g} s from Airflow's {', '.join(ailing)}"
    return None


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set within the block, instead of their usual effect."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _claim(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigError(f"port {port} is in use", value=str(port), fix="choose another one") from None


def _session(leader: int) -> list[psutil.Process]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):  # it ended meanwhile, or belongs to another user
            continue
    return found


def _quietly(end: Callable[[], None]) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        end()
