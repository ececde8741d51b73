"""Single steps of a project's trip, in a process of their own.

    python steps.py FOLDER STEP…        extract, expectations, prepare, load, identity, kpis, all_kpis,
                                    publish, statements

Prints a JSON object: step to wall seconds. `extract` keeps the reference of its batch for `prepare` and `load`.
After `statements`, the object has an entry for each kind of statement on the warehouse, too: a verb and a table.
"""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.engine import Engine

from cxflow import flow
from cxflow.model.batch import BatchRef
from cxflow.settings import Settings, load
from cxflow.warehouse import revisions

CONNECTION, STREAM = "desk", "touchpoints"


def main(folder: Path, steps: list[str]) -> dict[str, float]:
    """Run them in the order asked for."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    settings = load(folder)
    revisions.ensure(settings)
    taken: dict[str, float] = {}
    for step in steps:
        if step == "statements":
            _time_statements(taken)
            continue
        began = time.perf_counter()
        _run(settings, step)
        taken[step] = round(time.perf_counter() - began, 2)
    return taken


def _time_statements(taken: dict[str, float]) -> None:
    """From here on, add up the seconds of statements by what they do to which table."""

    def begin(*_: Any) -> None:
        begun.append(time.perf_counter())

    def end(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        what = re.match(r"(INSERT INTO|CREATE TEMPORARY TABLE|DELETE FROM|[A-Z]+) ?(\w*)", statement)
        name = " ".join(part for part in (what.groups() if what else ("other",)) if part)
        taken[name] = taken.get(name, 0) + time.perf_counter() - begun.pop()

    begun: list[float] = []
    event.listen(Engine, "before_cursor_execute", begin)
    event.listen(Engine, "after_cursor_execute", end)


def _run(settings: Settings, step: str) -> None:
    kept = settings.folder / "batch.json"
    if step == "extract":
        window = flow.scheduled_window(settings, CONNECTION, STREAM, datetime.now(UTC))
        batch = flow.extract(settings, CONNECTION, STREAM, window, "scheduled")
        kept.write_text(json.dumps(batch.as_json()), encoding="utf-8")
    elif step == "expectations":
        from cxflow.validate import runner

        runner.great_expectations()
    elif step in ("prepare", "load"):
        batch = BatchRef.from_json(json.loads(kept.read_text(encoding="utf-8")))
        (flow.prepare if step == "prepare" else flow.load)(settings, batch)
    elif step == "identity":
        flow.resolve_identity(settings)
    elif step == "publish":
        flow.publish(settings)
    else:
        flow.compute_kpis(settings, everything=step == "all_kpis")


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]).resolve(), sys.argv[2:])))
