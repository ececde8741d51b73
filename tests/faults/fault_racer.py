"""A worker in a race: loads the batches, or runs the windows, that it reads from stdin, and says how it went."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import structlog

from cxflow import flow
from cxflow.model.batch import BatchRef
from cxflow.settings import load


def main() -> None:
    """A line in, a line out."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    settings = load(Path(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    answers.write("ready\n")
    for line in sys.stdin:
        report = flow.load(settings, BatchRef.from_json(json.loads(line)))
        answers.write("was loaded\n" if report.was_loaded else "won\n")


if __name__ == "__main__":
    main()
