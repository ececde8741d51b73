"""Configures logging to stderr: warnings and errors, or each step with `--verbose`."""

from __future__ import annotations

import logging
import sys
from typing import Any

from cxflow.redaction import masked
from cxflow.visible import one_line, visible


def configure(*, verbose: bool, as_json: bool) -> None:
    """Send structlog's output to stderr, as lines for people or as JSON."""
    import structlog

    if logging.lastResort is not None:  # writes the warnings of libraries to stderr
        logging.lastResort.setFormatter(_VisibleFormatter())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            *(
                [structlog.processors.JSONRenderer()]  # all ASCII
                if as_json
                else [_visible, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
            ),
            _without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=_to_stderr,
    )


def _visible(_logger: Any, _method: str, event: Any) -> Any:
    """The event's texts without control characters. Other values are shown by `repr`, which has none."""
    return {
        one_line(key): value
        if not isinstance(value, str)
        else visible(value)
        if key == "exception"
        else one_line(value)
        for key, value in event.items()
    }


class _VisibleFormatter(logging.Formatter):
    """Formats the warnings of libraries, which may quote names."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def _without_secrets(_logger: Any, _method: str, line: Any) -> Any:
    return masked(line)


def _to_stderr(*_: Any) -> Any:
    """A logger on the current `sys.stderr`."""
    import structlog

    return structlog.PrintLogger(sys.stderr)
