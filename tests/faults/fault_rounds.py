"""Rounds of several `cxflow` processes on one warehouse at once, each compared with the same work one after another."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import fault_company
import sqlalchemy as sa
from fault_campaign import MEMORY
from fault_warehouses import Warehouses

from cxflow.kpis.publication import latest
from cxflow.settings import Settings, load
from cxflow.warehouse import tables, transactions

Begin = Literal["nothing", "first delivery"]
"""What the warehouse holds when a round begins: not even tables, or the first delivery, settled."""

OF_A_LOAD = {
    "run_id",
    "batch_id",
    "loaded_at",
    "as_of",
    "closed_at",
    "since",
    "complete_until",
    "restated_because",
    "cause",
}
"""Columns that say which load it was, and when."""
OF_RUNS = {"load_run", "stream_state", "stream_lock"}
"""Tables that say who ran how often."""
PENDING = {"pending_identity", "pending_kpi"}
"""Two loads may both note the same thing."""
CURRENT = {
    "customer": tables.customer.c.merged_into_id,
    "customer_identity": tables.customer_identity.c.valid_to,
}
"""Null in what holds now. What held for a while, between two loads, depends on when customers were resolved."""


@dataclass(frozen=True, slots=True)
class Round:
    """Who runs what at once."""

    begin: Begin
    processes: tuple[tuple[str, ...], ...]
    """The connections of each process."""
    settles: bool
    """Whether each goes on with customers, KPIs and views, as `cxflow run` does, or only loads."""

    def commands(self, folder: Path) -> list[list[str]]:
        """The arguments of each process."""
        options = [] if self.settles else ["--no-kpis"]
        return [["--project", str(folder), "--json", "run", *names, *options] for names in self.processes]


def rounds(seed: int) -> Iterator[Round]:
    """Rounds without end: two to six processes, every connection in one of them at least, some in two."""
    chance = random.Random(seed)
    connections = list(fault_company.STREAMS)
    while True:
        number = chance.randint(2, 6)
        chance.shuffle(connections)
        shares = [connections[place::number] for place in range(number)]
        for share in shares:
            if chance.random() < 0.25:
                share.append(chance.choice([name for name in connections if name not in share]))
        yield Round(
            chance.choice(("nothing", "first delivery")),
            tuple(tuple(share) for share in shares),
            settles=chance.random() < 0.75,
        )


@dataclass
class Outcome:
    """What a round came to; all empty where it came to the same as one after another."""

    round: Round
    failed: list[tuple[int, str]] = field(default_factory=list)
    """Exit code and output of each process that failed."""
    differs: list[str] = field(default_factory=list)
    """Tables that hold something else."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing failed and nothing differs."""
        return not (self.failed or self.differs)


@dataclass
class Rounds:
    """Runs rounds on one engine, each in a project and a warehouse of its own."""

    make_database: Callable[[], str] | None
    """Makes a database on a PostgreSQL server; None for DuckDB."""
    _one_by_one: dict[tuple[Begin, bool], dict[str, str]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _folder: Path = field(init=False)

    def __enter__(self) -> Rounds:
        command = [sys.executable, str(Path(__file__).with_name("fault_commands.py"))]
        self._process = self._stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        memory = str(MEMORY) if os.access(MEMORY, os.W_OK) else None
        folder = tempfile.TemporaryDirectory(prefix="rounds-", dir=memory)
        self._folder = Path(self._stack.enter_context(folder))
        self._warehouses = Warehouses(self.make_database)
        self._settled = self._folder / "settled"
        with self._project("nothing") as (project, url):
            [(code, output)] = self._run([["--project", str(project), "--json", "run"]])
            assert code == 0, output
            self._one_by_one["nothing", True] = state(load(project))
            shutil.copytree(project, self._settled)
            self._warehouses.keep(self._settled, url)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._stack.close()

    def play(self, asked: Round) -> Outcome:
        """One round."""
        key = (asked.begin, asked.settles)
        if key not in self._one_by_one:
            self._one_by_one[key] = self._in_turn(*key)
        with self._project(asked.begin) as (project, _):
            said = self._run(asked.commands(project))
            failed = [(code, output) for code, output in said if code]
            held = state(load(project))
        expected = self._one_by_one[key]
        return Outcome(asked, failed, [name for name in expected if held[name] != expected[name]])

    def _in_turn(self, begin: Begin, settles: bool) -> dict[str, str]:
        """What the warehouse holds where one process loads the streams one after another."""
        alone = Round(begin, (tuple(fault_company.STREAMS),), settles)
        with self._project(begin) as (project, _):
            [(code, output)] = self._run(alone.commands(project))
            assert code == 0, output
            return state(load(project))

    @contextmanager
    def _project(self, begin: Begin) -> Iterator[tuple[Path, str | None]]:
        project = self._folder / "project"
        if begin == "nothing":
            project.mkdir()
            url = self._warehouses.begin(None)
        else:
            shutil.copytree(self._settled, project)
            url = self._warehouses.begin(self._settled)
        fault_company.deliver(project, 0 if begin == "nothing" else 1)
        (project / "cxflow.toml").write_text(fault_company.configuration(url))
        try:
            yield project, url
        finally:
            shutil.rmtree(project)
            self._warehouses.end(url)

    def _run(self, commands: list[list[str]]) -> list[tuple[int, str]]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(commands) + "\n")
        self._process.stdin.flush()
        return [(code, output) for code, output in json.loads(self._process.stdout.readline())]


def state(settings: Settings) -> dict[str, str]:
    """A hash of what each table holds, apart from when and by which load; of the KPIs, what is current."""
    with transactions.transaction(settings) as connection:
        found = {
            name: _rows(connection, table)
            for name, table in tables.metadata.tables.items()
            if name not in OF_RUNS and name != "kpi_value"
        }
        found["kpi_value"] = _kpis(connection)
    return {
        name: hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()
        for name, rows in found.items()
    }


def _rows(connection: sa.Connection, table: sa.Table) -> list[tuple[Any, ...]]:
    left_out = OF_A_LOAD | ({"first_seen_at"} if table.name == "quarantine" else set())
    query = sa.select(*(column for column in table.columns if column.name not in left_out))
    if table.name in CURRENT:
        query = query.where(CURRENT[table.name].is_(None))
    rows = _rounded(connection.execute(query))
    return list(set(rows)) if table.name in PENDING else rows


def _kpis(connection: sa.Connection) -> list[tuple[Any, ...]]:
    """The last value of each cell that has events: one whose events are gone is as one that never had any."""
    current = latest().subquery()
    columns = (column for column in current.columns if column.name not in OF_A_LOAD)
    has_events = sa.or_(current.c.n > 0, current.c.left_out > 0)
    return _rounded(connection.execute(sa.select(*columns).where(has_events)))


def _rounded(rows: Iterable[sa.Row[Any]]) -> list[tuple[Any, ...]]:
    """Sums are rounded, because an engine adds in any order; what cancels out but for that is 0."""
    return [
        tuple(f"{round(value, 9) + 0.0:.9g}" if isinstance(value, float) else value for value in row)
        for row in rows
    ]
