"""Where runs die, in which order, with what left for the next run; and what came of each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

import fault_trip

Disk = Literal["kept", "wiped"]
"""What the next run finds of the worker's disk."""
Zone = Literal["folder", "bucket"]
"""The landing zone: a folder of the worker's disk, or an object store elsewhere."""
Source = Literal["files", "pages", "interrupted pages"]
"""Files; a service with checkpoints; the same where a pull has died already, and each run begins with resuming it."""
Beginning = tuple[int, Zone, Source]

RANDOM_AFTER = 8
"""After so many kills at points, one comes at a random moment."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a run is to die, and what is left for the next one."""

    day: int
    zone: Zone
    source: Source
    point: str | None
    """None: at a random moment, from outside."""
    moment: float
    """Share of an undisturbed run's time, for a random one."""
    disk: Disk
    next_run: Literal["anew", "retry"]
    """Begins from the cursor, or goes on from the tasks that had returned."""

    @property
    def task(self) -> str:
        """The task that the killed process begins with, those before it done by others."""
        return self.point.split(".")[0] if self.point else next(iter(fault_trip.TASKS))

    @property
    def kind(self) -> str:
        """The kind of point, in a pull of pages apart from others."""
        return _kind(self.source, self.point) if self.point else "random moment"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a kill, in words; all empty where nothing did."""

    kill: Kill
    died: bool
    """False where the run had finished before its random moment came."""
    lost: Sequence[str] = ()
    duplicated: Sequence[str] = ()
    unbalanced: Sequence[str] = ()
    left_over: Sequence[str] = ()
    """Paths of unfinished work that the next run has not removed."""
    unfinished: str = ""
    """The error with which the next run failed."""

    @property
    def is_clean(self) -> bool:
        """Whether the next run mended everything."""
        return not (self.lost or self.duplicated or self.unbalanced or self.left_over or self.unfinished)


def _kind(source: Source, point: str) -> str:
    """`task.step` of a point, without number and moment."""
    return ".".join(point.split(".")[:2]) + ("" if source == "files" else " of pages")


def kills(points: Mapping[Beginning, Sequence[str]], chance: random.Random) -> Iterator[Kill]:
    """Where to kill, without end: first a point of every kind, then all points in shuffled order, over and over;
    and after every eighth, a random moment."""
    every = [(*where, point) for where, passed in points.items() for point in passed]
    chance.shuffle(every)
    one_of_each = {_kind(source, point): (day, zone, source, point) for day, zone, source, point in every}
    rest = [item for item in every if item not in one_of_each.values()]
    for place, (day, zone, source, point) in enumerate(cycle([*one_of_each.values(), *rest]), 1):
        yield _kill(chance, day, zone, source, point)
        if place % RANDOM_AFTER == 0:
            yield _kill(chance, *chance.choice(list(points)), None)


def _kill(chance: random.Random, day: int, zone: Zone, source: Source, point: str | None) -> Kill:
    disk: Disk = chance.choice(("kept", "wiped"))
    # What tasks returned speaks of batches in a landing zone: where that is gone, a run begins anew.
    may_retry = disk == "kept" or zone == "bucket"
    next_run: Literal["anew", "retry"] = chance.choice(("anew", "retry")) if may_retry else "anew"
    return Kill(day, zone, source, point, chance.random(), disk, next_run)
