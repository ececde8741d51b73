"""The requests that an account may make: one budget for all streams, threads and processes of a machine.

Each request reserves its moment in a small SQLite file, and is sent then. A rate is spread evenly (the generic cell
rate algorithm), so nobody polls. What the service says (wait, nothing is left) moves the moment of everybody.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cxflow import private_files

_TABLES = """
CREATE TABLE IF NOT EXISTS rate (account TEXT, name TEXT, next REAL, PRIMARY KEY (account, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pause (account TEXT PRIMARY KEY, until REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS points (account TEXT PRIMARY KEY, available REAL, per_second REAL, most REAL, at REAL)
WITHOUT ROWID;
"""
_BUSY_SECONDS = 30.0


class RateLimit(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: float
    burst: int = 1
    """Requests that may follow each other at once."""
    of: str = ""
    """The endpoints that it is about: a part of the path, such as `/search`; "": all."""


class Budget:
    """The budget of one account at one host."""

    def __init__(self, folder: Path, account: str, rates: Sequence[RateLimit] = ()) -> None:
        """The file is in `folder`; `account` names the account, and is kept as a hash."""
        private_files.folder(folder)
        self._file = folder / "budget.sqlite"
        self._account = hashlib.sha256(account.encode()).hexdigest()[:32]
        self._rates = tuple(rates)
        with self._open() as database:
            database.executescript(_TABLES)
        private_files.own(self._file)

    def reserve(self, path: str, points: float = 0) -> float:
        """Reserve the moment of a request; returns the seconds until then. `points` is its cost, where the service
        counts in points."""
        return max(self.moment(path, points) - time.time(), 0.0)

    def moment(self, path: str, points: float = 0) -> float:
        """The same, as Unix time. It may have passed: who waits long for others' reservations sends at once."""
        rates = [rate for rate in self._rates if rate.of in path]
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            moment = first = max(time.time(), self._paused(database))
            dues = []
            for rate in rates:
                (due,) = database.execute(
                    "SELECT next FROM rate WHERE account = ? AND name = ?", (self._account, _name(rate))
                ).fetchone() or (0.0,)
                step = rate.seconds / rate.requests
                moment = max(moment, due - (rate.burst - 1) * step)
                dues.append((rate, due, step))
            if points:
                moment = max(moment, self._afford(database, points, moment))
            for rate, due, step in dues:
                # From `first`, not from `moment`: a request that waits for one limit does not use up another.
                database.execute(
                    "INSERT OR REPLACE INTO rate VALUES (?, ?, ?)",
                    (self._account, _name(rate), max(due, first) + step),
                )
            database.execute("COMMIT")
        return moment

    def pause(self, seconds: float) -> None:
        """Let nobody send a request for so long: the service asks for it."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            until = max(self._paused(database), time.time() + seconds)
            database.execute("INSERT OR REPLACE INTO pause VALUES (?, ?)", (self._account, until))
            database.execute("COMMIT")

    def note_points(self, available: float, per_second: float, most: float) -> None:
        """Note what an answer says of the account's points: how many there are, and how fast they come back."""
        with self._open() as database:
            database.execute(
                "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)",
                (self._account, available, per_second, most, time.time()),
            )

    def _paused(self, database: sqlite3.Connection) -> float:
        (until,) = database.execute(
            "SELECT until FROM pause WHERE account = ?", (self._account,)
        ).fetchone() or (0.0,)
        return float(until)

    def _afford(self, database: sqlite3.Connection, points: float, moment: float) -> float:
        """The moment at which there are so many points, which are taken; nothing is known before the first answer."""
        row = database.execute(
            "SELECT available, per_second, most, at FROM points WHERE account = ?", (self._account,)
        ).fetchone()
        if row is None:
            return moment
        available, per_second, most, at = map(float, row)
        there = min(most, available + (moment - at) * per_second)
        wanted = min(points, most)
        wait = max(wanted - there, 0.0) / per_second if per_second else 0.0
        left = min(most, there + wait * per_second) - wanted
        database.execute(
            "UPDATE points SET available = ?, at = ? WHERE account = ?", (left, moment + wait, self._account)
        )
        return moment + wait

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # A connection of its own each time: it may be another thread's turn.
        database = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            # After a loss of power the budget may begin anew.
            database.execute("PRAGMA synchronous = OFF")
            yield database
        finally:
            database.close()


def _name(rate: RateLimit) -> str:
    return f"{rate.requests}/{rate.seconds:g}{rate.of}"
