"""What the independent count costs: seconds spent on it beside those of the extraction it is part of.

    python witness.py RECORDS

Prints JSON: format to wall-clock and processor seconds of both. The records are people with an e-mail address and a
telephone number.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cxflow.connect import registry
from cxflow.connect.extraction import Extraction
from cxflow.connect.files import delimited, documents, lines, parquet
from cxflow.extract import extract
from cxflow.model.window import Window
from cxflow.settings import load

NAMES = ("id", "created_at", "email", "phone", "subject")
WITNESSES = {
    "csv": (delimited, "examine"),
    "csv, quoted": (delimited, "examine"),
    "jsonl": (lines, "_counted"),
    "json": (documents, "_count"),
    "parquet": (parquet, "_metadata"),
}
"""Format to where its count is made."""
_PROJECT = """
[connections.desk]
connector = "files"
timezone = "UTC"
[connections.desk.streams.tickets]
path = "tickets.{suffix}"
primary_key = ["id"]
[connections.desk.streams.tickets.to.touchpoint]
activity = "'contacted_support'"
channel = "'email'"
occurred_at = "created_at"
"""


def row(number: int, *, quoted: bool = True) -> tuple[int, str, str, str, str]:
    """A ticket, whose subject CSV must quote unless `quoted` is false."""
    at = f"2026-01-{1 + number % 28:02d}T10:00:00Z"
    return (
        number,
        at,
        f"ada{number}@example.org",
        f"+34 600 {number % 1_000_000:06d}",
        'Where is "my" order, please?' if quoted else "Where is my order please?",
    )


def write(path: Path, kind: str, count: int) -> None:
    rows = (row(number, quoted=kind != "csv") for number in range(count))
    if kind.startswith("csv"):
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([NAMES, *rows])
    elif kind == "parquet":
        columns = list(zip(*rows, strict=True))
        pq.write_table(pa.table(dict(zip(NAMES, columns, strict=True))), path)
    else:
        texts = (json.dumps(dict(zip(NAMES, each, strict=True))) for each in rows)
        path.write_text("[" + ",\n".join(texts) + "]" if kind == "json" else "\n".join(texts))


def measure(kind: str, count: int) -> dict[str, float]:
    """Wall-clock and processor seconds of the count and of the whole extraction, the quickest of three runs."""
    module, name = WITNESSES[kind]
    counting: Callable[..., Any] = getattr(module, name)
    spent = np.zeros(2)

    def timed(*arguments: Any) -> Any:
        nonlocal spent
        began = now()
        try:
            return counting(*arguments)
        finally:
            spent += now() - began

    setattr(module, name, timed)
    runs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        suffix = kind.partition(",")[0]
        write(folder / f"tickets.{suffix}", kind, count)
        (folder / "cxflow.toml").write_text(_PROJECT.format(suffix=suffix), encoding="utf-8")
        settings = load(folder)
        connector = registry.open_connection(settings, "desk")
        window = Window(None, datetime.now(UTC))
        for _ in range(3):
            spent, began = np.zeros(2), now()
            extract(settings, Extraction(connector, connector.stream("tickets"), window, {}, "scheduled"))
            runs.append([*(now() - began), *spent])
    setattr(module, name, counting)
    whole, whole_processor, count_, count_processor = min(runs, key=lambda run: run[1])
    return {
        "extract_seconds": whole,
        "extract_processor_seconds": whole_processor,
        "count_seconds": count_,
        "count_processor_seconds": count_processor,
    }


def now() -> npt.NDArray[np.float64]:
    """Wall clock and processor time of this process, all its threads, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


if __name__ == "__main__":
    print(json.dumps({kind: measure(kind, int(sys.argv[1])) for kind in WITNESSES}))
