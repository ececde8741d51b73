"""Thousands of tiny files: what a drop folder costs that gets a file a record.

    python tests/bench/many_files.py [FILES]

Runs `cxflow run` over CSV files of one line (20,000 unless told), once when all are new and once when none is, beside
DuckDB reading the same files in the way that is quickest by hand. Prints each process's wall time, processor time and
peak memory, the size of the cursor, and whether the limits hold.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
import measure

_PROJECT = """
[connections.shop]
connector = "files"
root = "exports"

[connections.shop.streams.reviews]
path = "reviews-*.csv"
primary_key = ["id"]

[connections.shop.streams.reviews.to.touchpoint]
activity = "'wrote_review'"
channel = "'web'"
occurred_at = "happened"
"""
_BY_HAND = """
import duckdb
with duckdb.connect("by_hand.duckdb") as database:
    database.execute("SET preserve_insertion_order = false")
    database.execute(
        "CREATE TABLE touchpoint AS SELECT *, filename FROM read_csv('exports/*.csv', all_varchar = true)"
    )
"""
_BIN = Path(sys.executable).parent
SECONDS, MEGABYTES, CURSOR_BYTES = 30, 600, 100
"""Limits of the first run, and of the cursor for each file, for 20,000 files on two cores."""


def main(files: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cxflow-bench-"))
    try:
        (folder / "cxflow.toml").write_text(_PROJECT, encoding="utf-8")
        _write(folder / "exports", files)
        steps = {
            "by hand, DuckDB alone": measure.run([sys.executable, "-c", _BY_HAND], folder),
            "cxflow run, all new": measure.run([_BIN / "cxflow", "run", "--no-kpis"], folder),
            "cxflow run, nothing new": measure.run([_BIN / "cxflow", "run", "--no-kpis"], folder),
        }
        loaded, cursor = _state(folder / "warehouse.duckdb")
    finally:
        shutil.rmtree(folder)
    if loaded != files:
        raise SystemExit(f"{loaded:,} touchpoints of {files:,} files")
    print(f"{files:,} files of one line, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, each in steps.items():
        print(
            f"{name:24} wall {each.wall_seconds:6.1f} s   processor {each.cpu_seconds:6.1f} s"
            f"   peak {each.peak_megabytes:5.0f} MB"
        )
    first = steps["cxflow run, all new"]
    print(f"cursor {cursor:,} bytes, {cursor / files:.0f} a file (limit {CURSOR_BYTES})")
    holds = (
        first.wall_seconds <= SECONDS and first.peak_megabytes <= MEGABYTES and cursor <= CURSOR_BYTES * files
    )
    print(f"limits of the first run: {SECONDS} s, {MEGABYTES} MB: {'they hold' if holds else 'BROKEN'}")


def _write(exports: Path, files: int) -> None:
    exports.mkdir()
    for number in range(files):
        path = exports / f"reviews-{number:06d}.csv"
        minute, second = divmod(number % 3600, 60)
        path.write_text(
            f"id,happened\n{number:06d},2026-01-01T10:{minute:02d}:{second:02d}Z\n", encoding="utf-8"
        )
        os.utime(path, (1767225600 + number,) * 2)


def _state(warehouse: Path) -> tuple[int, int]:
    """How many touchpoints are loaded, and the cursor's length."""
    with duckdb.connect(str(warehouse), read_only=True) as database:
        row = database.execute(
            "SELECT (SELECT count(*) FROM touchpoint), length(cursor) FROM stream_state"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
