"""Decides which failures Airflow retries. Every task does its work inside `final_if_fatal`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from cxflow.errors import CxflowError, TransientError, UnexpectedError


@contextmanager
def final_if_fatal(then: str = "") -> Iterator[None]:
    """Fail the task for good on an error that a retry cannot fix.

    TransientError passes through, and unknown exceptions become UnexpectedError: Airflow retries the task up to
    `airflow.retries` times. All other errors of cxflow become AirflowFailException with their message: connection,
    stream, reason and fix, and `then`, what to do in Airflow once it is fixed.

    Causes are dropped: Airflow would log their messages, in which a database or a source may quote a value or a URL
    with its token.
    """
    try:
        yield
    except (TransientError, UnexpectedError) as problem:
        raise problem from None
    except CxflowError as problem:
        message = f"{type(problem).__name__}: {problem}"
        raise AirflowFailException(f"{message}\n{then}" if then else message) from None
    except Exception as problem:
        raise UnexpectedError.of(problem).with_traceback(problem.__traceback__) from None
