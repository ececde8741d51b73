"""Reports errors, and chooses the exit code of a command."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from cxflow.cli.output import Output
from cxflow.errors import CxflowError, UnexpectedError
from cxflow.redaction import masked

INTERRUPTED = 130
"""128 + SIGINT, as in shells."""
TERMINATED = 143
"""128 + SIGTERM."""
UNKNOWN = UnexpectedError.exit_code
"""An exception that cxflow did not raise on purpose: a defect."""

_WORST_FIRST = (UNKNOWN, 78, 66, 65, 75)
"""Exit codes by urgency: defects before faults of configuration, of sources and of data. 75 (try again) is last:
it is used only if a retry fixes everything."""


def exit_code(failed: Sequence[BaseException]) -> int:
    """The exit code of the worst of several failures."""
    codes = {problem.exit_code if isinstance(problem, CxflowError) else UNKNOWN for problem in failed}
    return min(codes, key=lambda code: _WORST_FIRST.index(code) if code in _WORST_FIRST else -1)


def as_json(problem: Exception) -> dict[str, Any]:
    """An error for `--json`."""
    known = _known(problem)
    return {
        "error": type(known).__name__,
        "connection": known.connection,
        "stream": known.stream,
        "message": known.message,
        "value": known.value,
        "fix": known.fix,
        "exit_code": exit_code([known]),
    }


def report(out: Output, problem: Exception, verbose: bool) -> None:
    """Write an error to stderr: one block, or one line of JSON."""
    known = _known(problem)
    trace = _trace(problem, verbose) if verbose or isinstance(known, UnexpectedError) else ""
    if out.json:
        out.error_line(as_json(problem) | ({"traceback": trace} if trace else {}))
        return
    place = f"{known.place}: " if known.place else ""
    out.error(place + known.message, known.fix)
    if trace:
        out.note(trace.rstrip())


def _known(problem: Exception) -> CxflowError:
    return problem if isinstance(problem, CxflowError) else UnexpectedError.of(problem)


def _trace(problem: Exception, verbose: bool) -> str:
    """The traceback; with the messages of exceptions, which may quote data, only if verbose. Secrets are masked."""
    if verbose:
        return masked("".join(traceback.format_exception(problem)))
    return "Traceback (most recent call last):\n" + "".join(traceback.format_tb(problem.__traceback__))
