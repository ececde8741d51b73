"""Whole processes, measured from outside: wall time, processor time and peak memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """One process, imports included."""

    wall_seconds: float
    cpu_seconds: float
    """Of all its threads and children."""
    peak_megabytes: float
    """Of its resident memory."""

    def as_json(self) -> dict[str, float]:
        return asdict(self)


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> Measure:
    """Run a command to its end, once the disk has all that was written before: that is not to be its burden. Raises
    SystemExit with what it said where it failed."""
    log = folder / "output.log"
    os.sync()
    with log.open("w") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{log.read_text()[-4000:]}")
    return Measure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def best(measures: Sequence[Measure]) -> Measure:
    """The quickest of several runs: what disturbs a run only ever makes it slower."""
    return min(measures, key=lambda measure: measure.wall_seconds)


def machine(versions: Mapping[str, str]) -> dict[str, Any]:
    """Where and when it was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(memory),
        "versions": dict(versions),
    }
