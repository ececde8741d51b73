"""Configures logging to stderr: warnings and errors, or each step with `--verbose`."""

from __future__ import annotations

import logging
import sys
from typing import Any

from cxflow.redaction import masked


def configure(*, verbose: bool, as_json: bool) -> None:
    """Send structlog's output to stderr, as lines for people or as JSON."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
            _without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=_to_stderr,
    )


def _without_secrets(_logger: Any, _method: str, line: Any) -> Any:
    return masked(line)


def _to_stderr(*_: Any) -> Any:
    """A logger on the current `sys.stderr`."""
    import structlog

    return structlog.PrintLogger(sys.stderr)
