"""Names the moments before and after each durable step of a process, so that it can be made to die there.

The steps are found, not listed: SQLAlchemy tells of each statement and commit on the warehouse, and the functions
that write, move, rename, sync and remove files are wrapped, in this process alone. A point is called
`task.step.number.moment`, such as `load.statement.17.after`: the number counts the task's steps of that kind.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import fault_shop
import psycopg
import sqlalchemy as sa

from cxflow import flow
from cxflow.landing import files
from cxflow.settings import Settings
from cxflow.warehouse import transactions

FILES = {"manifest.json": "manifest", "verdict.json": "verdict", "checkpoint.json.tmp": "checkpoint"}
"""Files that make a batch, a prepared or a partial one, exist."""


def die() -> NoReturn:
    """As the machine would have it: nothing is told, nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class Points:
    """The points that this process passes, and the one at which it dies, if any."""

    def __init__(self, folder: Path, settings: Settings, fatal: str | None = None) -> None:
        self.passed: list[str] = []
        self._fatal = fatal
        self._folder = str(folder)
        self._warehouse, self._engine = transactions.warehouse_url(settings), transactions.engine_of(settings)
        self._task = "start"
        self._counts: Counter[str] = Counter()

    def begin(self, task: str) -> None:
        """Points are of this task from now on."""
        self._task = task

    def _name(self, step: str) -> str:
        self._counts[f"{self._task}.{step}"] += 1
        return f"{self._task}.{step}.{self._counts[f'{self._task}.{step}']}"

    def _reach(self, point: str) -> None:
        self.passed.append(point)
        if point == self._fatal:
            die()

    def around(self, function: Callable[..., Any], step: str) -> Callable[..., Any]:
        """The function, with a point before and one after it."""

        @functools.wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            name = self._name(step)
            self._reach(f"{name}.before")
            result = function(*arguments, **options)
            self._reach(f"{name}.after")
            return result

        return wrapped

    def _on_file(self, function: Callable[..., Any], step: str | None) -> Callable[..., Any]:
        """The same for a function of a path, where that lies in the folder."""

        @functools.wraps(function)
        def wrapped(path: Any, *arguments: Any, **options: Any) -> Any:
            named = step or FILES.get(Path(path).name) if self._is_here(path) else None
            return (self.around(function, named) if named else function)(path, *arguments, **options)

        return wrapped

    def _is_here(self, path: Any) -> bool:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        return os.fspath(path).startswith(self._folder)

    def _copyfile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Copying one file, with a point where half of it is there."""

        def torn(source: Any, target: Any, *arguments: Any, **options: Any) -> Any:
            if self._is_here(target):
                point = f"{self._name('torn_file')}.half"
                if point == self._fatal:
                    content = Path(source).read_bytes()
                    Path(target).write_bytes(content[: len(content) // 2])
                self._reach(point)
            return function(source, target, *arguments, **options)

        return torn

    def install(self) -> None:
        """Wrap everything that makes a step durable. For a process that ends soon: nothing is put back."""
        self._watch_statements()
        shutil.copyfile = self._copyfile(shutil.copyfile)
        shutil.move = self._on_file(shutil.move, "move")
        shutil.rmtree = self._on_file(shutil.rmtree, "cleanup")
        os.rename = self._on_file(os.rename, "rename")
        os.fsync = self._on_file(os.fsync, "sync")
        Path.write_text = self._on_file(Path.write_text, None)  # type: ignore[method-assign]
        fault_shop.Bucket.put_file = self.around(fault_shop.Bucket.put_file, "put")
        fault_shop.Bucket.pipe_file = self.around(fault_shop.Bucket.pipe_file, "checkpoint")
        psycopg.Copy.write = self.around(psycopg.Copy.write, "copy_in")  # type: ignore[method-assign]
        for owner, name in (
            (files.BatchWriter, "land"),
            (flow.conforming, "conform"),
            (flow.gate, "validate"),
            (self._engine, "stage"),
        ):
            step = "write" if owner is files.BatchWriter else name
            setattr(owner, name, self.around(getattr(owner, name), step))

    def _watch_statements(self) -> None:
        @sa.event.listens_for(sa.Engine, "before_cursor_execute")
        def before(connection: sa.Connection, *_: Any) -> None:
            if self._is_warehouse(connection):
                self._reach(f"{self._name('statement')}.before")

        @sa.event.listens_for(sa.Engine, "after_cursor_execute")
        def after(connection: sa.Connection, *_: Any) -> None:
            if self._is_warehouse(connection):
                self._reach(f"{self._task}.statement.{self._counts[f'{self._task}.statement']}.after")

        @sa.event.listens_for(sa.Engine, "engine_connect")
        def connected(connection: sa.Connection) -> None:
            if self._is_warehouse(connection):
                commit = type(connection.dialect).do_commit.__get__(connection.dialect)
                connection.dialect.do_commit = self.around(commit, "commit")  # type: ignore[method-assign]

    def _is_warehouse(self, connection: sa.Connection) -> bool:
        return connection.engine.url == self._warehouse
