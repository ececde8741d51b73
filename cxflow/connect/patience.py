"""Whether a connector waits for what a service works on, or stops and goes on in a later call. Airflow's tasks do not
wait: they are deferred."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_waits: ContextVar[bool] = ContextVar("cxflow_waits", default=True)


def waits() -> bool:
    """Whether to wait for a job of the service that has not ended; otherwise JobRunningError says when to ask again."""
    return _waits.get()


@contextmanager
def without_waiting() -> Iterator[None]:
    """Do not wait in the block."""
    before = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(before)
