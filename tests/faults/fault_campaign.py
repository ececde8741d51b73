"""Kills runs by the hundred: sets up a warehouse for each, has the run killed, lets the next one finish, checks."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import fault_shop
import fault_trip
from fault_kills import Beginning, Kill, Outcome, Source, Zone, kills
from fault_server import Request
from fault_warehouses import Warehouses

BEGINNINGS: tuple[Beginning, ...] = (
    (0, "folder", "files"),
    (1, "folder", "files"),
    (1, "bucket", "files"),
    (0, "bucket", "pages"),
    (0, "folder", "interrupted pages"),
)
"""What runs there are: the first day's on an empty warehouse, the second day's."""

STAGES: dict[Source, tuple[tuple[str, str], ...]] = {
    "files": tuple((task, task) for task in fault_trip.TASKS),
    "pages": (("migrate", "window"), ("landing", "landing"), ("prepared", "publish")),
}
"""First and last task of each piece of a run that is recorded. A source of pages is for kills while they land."""
STAGES["interrupted pages"] = STAGES["pages"]
INTERRUPTED = "landing.checkpoint.2.after"
"""Where the pull has died that is then resumed."""

MEMORY = Path("/dev/shm")
"""A process that is killed loses nothing that it has written, whether or not that has reached a disk."""


@dataclass(frozen=True, slots=True)
class Recording:
    """An undisturbed run."""

    points: tuple[str, ...]
    """All that it passed, in order."""
    seconds: float
    state: dict[str, str]
    """What the warehouse held at its end."""


@dataclass
class Lane:
    """One server process and a folder: one run at a time."""

    folder: Path
    source: Path
    warehouses: Warehouses
    _process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("fault_server.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what: dict[str, Any]) -> dict[str, Any]:
        """One request to the server, and its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the server has ended with {self._process.wait()}")
        return dict(json.loads(answer))

    def run(self, day: int, **options: Any) -> dict[str, Any]:
        """A run in a child of the server."""
        return self.ask(asdict(Request(str(self.folder), str(self.source), day, **options)))

    @contextmanager
    def project(self, zone: Zone, source: Source, snapshot: Path | None) -> Iterator[str | None]:
        """A project as it was in a snapshot, or one without tables, in the lane's folder; gives the URL of its
        warehouse where that is on a server."""
        if snapshot:
            shutil.copytree(snapshot, self.folder)
        else:
            (self.folder / "project").mkdir(parents=True)
            (self.folder / "tmp").mkdir()
        url = self.warehouses.begin(snapshot)
        bucket = self.folder / "bucket" if zone == "bucket" else None
        text = fault_shop.configuration(self.source, url, bucket, paged=source != "files")
        (self.folder / "project" / "cxflow.toml").write_text(text)
        try:
            yield url
        finally:
            shutil.rmtree(self.folder)
            self.warehouses.end(url)

    def take(self, snapshot: Path, url: str | None) -> None:
        """A snapshot of the project, its warehouse included."""
        shutil.copytree(self.folder, snapshot)
        self.warehouses.keep(snapshot, url)

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


@dataclass
class Campaign:
    """Kills on one engine, on several lanes at once."""

    make_database: Callable[[], str] | None
    """Makes a database on a PostgreSQL server; None for DuckDB."""
    seed: int
    lanes: int = 2
    minutes: float | None = None
    """Begin no kill after that long."""
    tasks: Collection[str] = tuple(fault_trip.TASKS)
    """Kill at points of these; at random moments, in any."""
    recordings: dict[Beginning, Recording] = field(default_factory=dict)

    def run(self, number: int, told: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
        """So many kills, each told of. A run that had finished before its random moment came is none."""
        memory = str(MEMORY) if os.access(MEMORY, os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="faults-", dir=memory) as name, ExitStack() as stack:
            folder = Path(name)
            source = fault_shop.write(folder / "source")
            warehouses = Warehouses(self.make_database)
            lanes = [Lane(folder / f"lane{n}", source, warehouses) for n in range(self.lanes)]
            for lane in lanes:
                stack.callback(lane.close)
            for beginning in BEGINNINGS:
                self.recordings[beginning] = self._record(lanes, folder, *beginning)
            return self._kill(lanes, folder, number, told)

    @property
    def points(self) -> dict[Beginning, tuple[str, ...]]:
        """The points of the tasks that undisturbed runs pass, by how they begin."""
        return {
            where: tuple(point for point in recording.points if point.split(".")[0] in self.tasks)
            for where, recording in self.recordings.items()
        }

    def _record(self, lanes: list[Lane], folder: Path, day: int, zone: Zone, source: Source) -> Recording:
        """Run undisturbed, with a snapshot before each stage; the first day's last is where the second begins."""
        lane, points, seconds = lanes[0], [], 0.0
        begin = folder / f"{day - 1}-folder-{source}-settled" if day else None
        with lane.project(zone, source, begin) as url:
            (lane.folder / "tasks.jsonl").unlink(missing_ok=True)
            for task, last in STAGES[source]:
                if (source, task) == ("interrupted pages", "landing"):
                    assert lane.run(day, fatal=INTERRUPTED)["killed"]
                lane.take(folder / f"{day}-{zone}-{source}-{task}", url)
                found = lane.run(day, then="record", until=last)
                if error := found.get("error"):
                    raise RuntimeError(f"an undisturbed run failed:\n{error}")
                if source == "files" or task == "landing":
                    points += found["points"]
                seconds += found["seconds"]
                if not self.recordings:
                    for each in lanes:
                        each.ask({"modules": found["modules"]})
            lane.take(folder / f"{day}-{zone}-{source}-settled", url)
        return Recording(tuple(points), seconds, found["state"])

    def _kill(
        self, lanes: list[Lane], folder: Path, number: int, told: Callable[[Outcome], None]
    ) -> list[Outcome]:
        chosen = kills(self.points, random.Random(self.seed))
        lock = threading.Lock()
        outcomes: list[Outcome] = []
        failures: list[BaseException] = []
        begun = 0
        over = time.monotonic() + 60 * self.minutes if self.minutes else math.inf

        def work(lane: Lane) -> None:
            nonlocal begun
            while not failures:
                with lock:
                    if begun >= number or time.monotonic() > over:
                        return
                    begun += 1
                    kill = next(chosen)
                try:
                    outcome = self._one(lane, folder, kill)
                except BaseException as problem:
                    failures.append(problem)
                    return
                with lock:
                    outcomes.append(outcome)
                    begun -= not outcome.died
                    told(outcome)

        threads = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return [outcome for outcome in outcomes if outcome.died]

    def _one(self, lane: Lane, folder: Path, kill: Kill) -> Outcome:
        """A run that dies, then one that finishes, then the checker."""
        recording = self.recordings[kill.day, kill.zone, kill.source]
        snapshot = folder / f"{kill.day}-{kill.zone}-{kill.source}-{kill.task}"
        with lane.project(kill.zone, kill.source, snapshot):
            seconds = None if kill.point else kill.moment * recording.seconds
            died = lane.run(kill.day, fatal=kill.point, seconds=seconds)
            if died["killed"] is None:
                if kill.point or "error" in died:
                    raise RuntimeError(f"a run did not come to {kill.point}: {died}")
                return Outcome(kill, died=False)
            if kill.disk == "wiped":
                for gone in ("tmp", "project/landing"):
                    shutil.rmtree(lane.folder / gone, ignore_errors=True)
                (lane.folder / "tmp").mkdir()
            if kill.next_run == "anew":
                (lane.folder / "tasks.jsonl").unlink(missing_ok=True)
            then = lane.run(kill.day, then="check", undisturbed=recording.state)
        if "error" in then:
            return Outcome(kill, died=True, unfinished=then["error"])
        names = ("lost", "duplicated", "unbalanced", "left_over")
        return Outcome(kill, died=True, **{name: then[name] for name in names})
