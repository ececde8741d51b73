"""Which failures Airflow tries again. Every task runs its work inside `final_if_fatal`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from cxflow.errors import CxflowError, TransientError, UnexpectedError


@contextmanager
def final_if_fatal() -> Iterator[None]:
    """Fail the task for good on an error that another try cannot mend.

    A TransientError goes through, and so does what cxflow does not know, as UnexpectedError: Airflow tries the
    task again as often as the project's `airflow.retries` says. All other errors of cxflow become
    AirflowFailException with their message: connection, stream, reason and how to mend it.

    Causes are left out: Airflow logs them with what they say, a database or a source quotes the offending value
    or the URL with its token, and no log may hold one.
    """
    try:
        yield
    except (TransientError, UnexpectedError) as problem:
        raise problem from None
    except CxflowError as problem:
        raise AirflowFailException(f"{type(problem).__name__}: {problem}") from None
    except Exception as problem:
        raise UnexpectedError.of(problem).with_traceback(problem.__traceback__) from None
