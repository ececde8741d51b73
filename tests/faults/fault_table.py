"""`make faults`: a long run of kills on both engines, and its table in `docs/reliability.md`.

python tests/faults/fault_table.py [--kills 1000] [--seed N] [--lanes 2] [--minutes M]
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from fault_campaign import Campaign
from fault_kills import Outcome
from postgresql_server import Postgresql, server

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
PROBLEMS = ("lost", "duplicated", "unbalanced", "left_over", "unfinished")


def main() -> None:
    """Kill, tell, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="per engine")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument(
        "--minutes", type=float, default=None, help="per engine: stop then, and count what was done"
    )
    asked = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    tell(f"seed {asked.seed}")
    found: dict[str, list[Outcome]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="faults-server-") as folder,
        server(Path(folder) / "data") as started,
    ):
        make = Postgresql(started)
        engines: dict[str, Callable[[], str] | None] = {"DuckDB": None, "PostgreSQL": make}
        for engine, maker in engines.items():
            found[engine] = kill(engine, Campaign(maker, asked.seed, asked.lanes, asked.minutes), asked.kills)
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    PAGE.write_text(head + BEGIN + measured(found, asked.seed) + END + rest.split(END)[1], encoding="utf-8")
    raise SystemExit(any(not outcome.is_clean for outcomes in found.values() for outcome in outcomes))


def kill(engine: str, campaign: Campaign, number: int) -> list[Outcome]:
    """So many kills, with a word on each hundred and on each that left something."""
    begun, done = time.monotonic(), Counter[bool]()

    def told(outcome: Outcome) -> None:
        done[outcome.died] += 1
        if not outcome.is_clean:
            tell(f"{engine}: {outcome}")
        if outcome.died and done[True] % 100 == 0:
            tell(f"{engine}: {done[True]} kills in {time.monotonic() - begun:.0f} s")

    return campaign.run(number, told)


def measured(found: dict[str, list[Outcome]], seed: int) -> str:
    """The table, and on what it was measured."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("duckdb", "sqlalchemy", "psycopg"))
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {memory_gb:.0f} GB, Python "
        f"{platform.python_version()}, {versions}; seed {seed}.\n",
    ]
    for engine, outcomes in found.items():
        wiped = sum(outcome.kill.disk == "wiped" for outcome in outcomes)
        lines += [
            f"\n**{engine}**: {len(outcomes):,} kills, {wiped:,} of them with the worker's disk wiped.\n",
            "\n| killed at | disk kept | wiped | lost | duplicated | unbalanced | left over | not finished |\n",
            "|---|--:|--:|--:|--:|--:|--:|--:|\n",
        ]
        kinds = sorted({outcome.kill.kind for outcome in outcomes})
        lines += [
            _row(kind, [outcome for outcome in outcomes if outcome.kill.kind == kind]) for kind in kinds
        ]
        lines.append(_row("**all**", outcomes))
    return "".join(lines)


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    disks = Counter(outcome.kill.disk for outcome in outcomes)
    counts = [disks["kept"], disks["wiped"]]
    counts += [sum(bool(getattr(outcome, problem)) for outcome in outcomes) for problem in PROBLEMS]
    return f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |\n"


def tell(line: str) -> None:
    """For whoever watches."""
    print(line, flush=True)  # noqa: T201  a script's own output


if __name__ == "__main__":
    main()
