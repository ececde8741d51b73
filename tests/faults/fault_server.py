"""A process that has imported everything, and forks a child for each run: importing takes seconds, forking none.

Reads requests from stdin and answers on stdout, a line of JSON each. It opens no database and starts no thread
itself, so that each child is as good as a fresh process. `fault_campaign` starts it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import fault_checker
import fault_trip
import structlog
from fault_points import Points

from cxflow.settings import load
from cxflow.validate import runner

PATIENCE_SECONDS = 120
"""A run takes about one; a longer one is stuck."""


@dataclass(frozen=True, slots=True)
class Request:
    """One run in a child process."""

    folder: str
    """Holds `project/`, the worker's `tmp/` and `tasks.jsonl`, what tasks returned."""
    source: str
    day: int
    then: Literal["nothing", "record", "check"] = "nothing"
    """What to answer: how it ended, the points it passed, or what the checker says."""
    until: str | None = None
    """The last task to run."""
    fatal: str | None = None
    """The point to die at."""
    seconds: float | None = None
    """When to be killed from outside."""
    undisturbed: dict[str, str] | None = None


def run(request: Request) -> dict[str, Any]:
    """The child's work."""
    folder = Path(request.folder)
    faulthandler.dump_traceback_later(PATIENCE_SECONDS - 10, file=(folder / "stuck.txt").open("w"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    settings = load(folder / "project")
    points = Points(folder, settings, request.fatal)
    if request.then == "record" or request.fatal:
        points.install()
    begun = time.monotonic()
    fault_trip.run(settings, request.day, folder / "tasks.jsonl", points.begin, request.until)
    answer: dict[str, Any] = {"seconds": time.monotonic() - begun}
    if request.then == "record":
        answer |= {"points": list(points.passed), "modules": list(sys.modules)}
        answer["state"] = fault_checker.state(settings)
    if request.then == "check":
        found = fault_checker.check(settings, Path(request.source), request.day, request.undisturbed)
        answer |= asdict(found)
    return answer


def left_over(folder: Path) -> list[str]:
    """What unfinished work has left on the worker's disk and in the landing zone."""
    scratch = list((folder / "tmp").glob("cxflow-*"))
    zones = (folder / "project" / "landing", folder / "bucket")
    ends = ("*.tmp", "*.partial")
    aside = [path for zone in zones if zone.is_dir() for end in ends for path in zone.rglob(end)]
    return [str(path.relative_to(folder)) for path in (*scratch, *aside)]


def serve(request: Request) -> dict[str, Any]:
    """Fork a child, see it end, and say how."""
    answer = Path(request.folder) / "answer.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            answer.write_text(json.dumps(run(request)))
            status = 0
        except BaseException:
            answer.write_text(json.dumps({"error": traceback.format_exc()}))
        finally:
            os._exit(status)
    patience = PATIENCE_SECONDS if request.seconds is None else request.seconds
    over = time.monotonic() + patience
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > over:
            os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)
            if request.seconds is None:
                return {
                    "killed": None,
                    "error": f"it hung for {patience} s:\n{(Path(request.folder) / 'stuck.txt').read_text()}",
                    "left_over": [],
                }
            break
        time.sleep(0.005)
    _, status = ended
    if os.WIFSIGNALED(status):
        return {"killed": os.WTERMSIG(status)}
    return {"killed": None, "left_over": left_over(Path(request.folder)), **json.loads(answer.read_text())}


def main() -> None:
    """Answer until stdin ends."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    runner.great_expectations()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        if modules := asked.get("modules"):
            # What a run imports on its way need not be imported by each.
            for name in modules:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
            gc.collect()
            gc.freeze()
            answers.write("{}\n")
            continue
        answers.write(json.dumps(serve(Request(**asked))) + "\n")


if __name__ == "__main__":
    main()
