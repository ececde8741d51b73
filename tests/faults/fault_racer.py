"""A worker in a race: loads the batches, or runs the windows, that it reads from stdin, and says how it went."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import structlog

from cxflow import flow
from cxflow.load.batch import LoadReport
from cxflow.model.batch import BatchRef
from cxflow.model.window import Window
from cxflow.settings import Settings, load
from cxflow.validate import runner


def main() -> None:
    """A line in, a line out."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    runner.run = lambda *_: []  # what takes Great Expectations its time is no part of the race
    settings = load(Path(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    answers.write("ready\n")
    for line in sys.stdin:
        report = work(settings, json.loads(line))
        counts = report.counts
        answers.write(
            "was loaded\n" if report.was_loaded else f"{counts.inserted} inserted, {counts.updated} updated\n"
        )


def work(settings: Settings, asked: dict[str, Any]) -> LoadReport:
    """A window is run whole, a batch is loaded."""
    if "window" not in asked:
        return flow.load(settings, BatchRef.from_json(asked))
    window = Window.from_json(asked["window"])
    return flow.run_stream(settings, asked["connection"], asked["stream"], window, "scheduled")


if __name__ == "__main__":
    main()
