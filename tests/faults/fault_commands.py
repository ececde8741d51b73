"""A process that has imported everything, and forks a child for each command line: several at once, side by side.

Reads lines of JSON from stdin, `[[argument, …], …]`, runs `cxflow` with each list of arguments at the same moment, and
answers with their exit codes and outputs. It opens no database and starts no thread itself, so that each child is as
good as a fresh process. `fault_rounds` starts it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import traceback

import structlog
from typer.testing import CliRunner

from cxflow.cli.app import app
from cxflow.validate import runner

Ended = tuple[int, str, list[str]]
"""Exit code, output, and the modules that a process had imported in the end."""


def run(arguments: list[str]) -> Ended:
    """How a command ended."""
    result = CliRunner().invoke(app, arguments)
    code, said = result.exit_code, result.output
    if result.exception and not isinstance(result.exception, SystemExit):
        code, said = 70, "".join(traceback.format_exception(result.exception))
    return code, said, list(sys.modules)


def side_by_side(commands: list[list[str]]) -> list[Ended]:
    """How each command ended; all begin at once, when the last child is there."""
    start, go = os.pipe()
    children = [_fork(arguments, start, go) for arguments in commands]
    os.close(start)
    os.close(go)
    found = []
    for pid, answer in children:
        with os.fdopen(answer) as said:
            found.append(tuple(json.loads(said.read() or '[70, "it died", []]')))
        os.waitpid(pid, 0)
    return found


def _fork(arguments: list[str], start: int, go: int) -> tuple[int, int]:
    """A child and the pipe of its answer. It begins when nobody holds the pipe `go` any more."""
    answer, said = os.pipe()
    if pid := os.fork():
        os.close(said)
        return pid, answer
    try:
        os.close(go)
        os.read(start, 1)
        with os.fdopen(said, "w") as out:
            out.write(json.dumps(run(arguments)))
    finally:
        os._exit(0)


def main() -> None:
    """Answer until stdin ends."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    runner.run = lambda *_: []  # what takes Great Expectations its time is no part of this
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        ended = side_by_side(json.loads(line))
        answers.write(json.dumps([(code, said) for code, said, _ in ended]) + "\n")
        # What one child imported on its way need not be imported by each.
        for name in {name for *_, modules in ended for name in modules} - set(sys.modules):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()


if __name__ == "__main__":
    main()
