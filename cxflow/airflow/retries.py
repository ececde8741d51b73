"""Which failures Airflow tries again. Every task runs its work inside `final_if_fatal`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from cxflow.errors import CxflowError, TransientError


@contextmanager
def final_if_fatal() -> Iterator[None]:
    """Fail the task for good on an error that another try cannot mend.

    A TransientError goes through as it is, and so does any exception that cxflow does not know: Airflow tries
    the task again as often as the project's `airflow.retries` says. All other errors of cxflow become
    AirflowFailException with their message: connection, stream, reason and how to mend it.

    The cause is left out: a database names the offending value in its message, and no log may hold one.
    """
    try:
        yield
    except TransientError:
        raise
    except CxflowError as problem:
        raise AirflowFailException(f"{type(problem).__name__}: {problem}") from None
