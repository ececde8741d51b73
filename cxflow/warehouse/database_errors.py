"""Turns database errors into cxflow's, sorted by what to do next, each with its fix. Called by `transactions`, and by
`flow` for the scratch databases of the stages.

Errors are sorted by SQLSTATE, which each engine determines for its driver. Databases quote the offending values, which
may be personal, so messages contain only the names of tables and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb
import sqlalchemy as sa

from cxflow import duck
from cxflow.duck import MEMORY_VARIABLE, OUT_OF_MEMORY, memory_bytes, memory_limit
from cxflow.errors import (
    ConfigError,
    CxflowError,
    FatalError,
    SchemaError,
    TransientError,
)
from cxflow.scratch import is_full


class _Meaning(NamedTuple):
    """The meaning of a code; `{original}` is the database's message, used only if it cannot contain values."""

    code: str
    """A SQLSTATE, or a prefix of several."""
    kind: type[CxflowError]
    message: str
    fix: str


_ALTERED = "`cxflow doctor` names what was altered by hand; if nothing was, this is a defect of cxflow"
_RIGHTS = "docs/warehouse.md says which rights the warehouse's user needs"

_ANYWHERE = (
    _Meaning(
        "53100",
        TransientError,
        "the disk is full; nothing of this step was kept",
        "free space for the warehouse, its tablespace or TMPDIR, and run it again",
    ),
    _Meaning(
        "53200",
        TransientError,
        "the database ran out of memory; nothing of this step was kept",
        "give it more, or run fewer tasks at once",
    ),
    _Meaning(
        OUT_OF_MEMORY,
        ConfigError,
        "this needs more memory than DuckDB may take ({memory}); nothing of this step was kept",
        f"set {MEMORY_VARIABLE} to more, such as {{more}}; if one huge record is the cause, max_record_bytes of its "
        "stream refuses it",
    ),
    _Meaning("40", TransientError, "another load changed the same rows", "run it again"),
    _Meaning(
        "XX001",
        FatalError,
        "the database is damaged: what it reads is not what it wrote",
        "restore a backup, or begin anew with an empty database: `cxflow load` fills it from the landing zone",
    ),
)
_IN_WAREHOUSE = (
    _Meaning(
        "53300",
        TransientError,
        "the server has no connection left",
        "run fewer tasks at once, or raise its limit",
    ),
    _Meaning(
        "53", TransientError, "the server is at one of its limits", "run fewer tasks at once, or raise it"
    ),
    _Meaning(
        "57014",
        TransientError,
        "the server cancelled a statement",
        "if nobody cancelled it, raise the statement_timeout of the warehouse's user",
    ),
    _Meaning("25P", TransientError, "the server ended the transaction at a time-out", "raise that time-out"),
    _Meaning("57", TransientError, "the server closed the connection", "is it restarting? run it again"),
    _Meaning("08", TransientError, "the connection to the server broke", "is it up? run it again"),
    _Meaning("55", TransientError, "another session holds a needed lock", "run it again"),
    _Meaning("58", FatalError, "the server cannot read or write its files", "see its log"),
    _Meaning("XX002", FatalError, "an index of the server is damaged", "REINDEX it"),
    _Meaning(
        "25006",
        ConfigError,
        "the warehouse is read-only here",
        "name the primary server, or a file that this user may write, in warehouse.url",
    ),
    _Meaning("42501", ConfigError, "the warehouse's user lacks a right: {original}", _RIGHTS),
    _Meaning(
        "2BP01",
        SchemaError,
        "{original}",
        "an object that cxflow did not create depends on it: drop that object, and recreate it afterwards",
    ),
    _Meaning(
        "42", SchemaError, "the warehouse's tables are not those that cxflow made: {original}", _ALTERED
    ),
    _Meaning("3F", SchemaError, "the warehouse's schema does not exist", "fix the search_path of its user"),
    _Meaning("23", FatalError, "the warehouse refuses a row{where}", _ALTERED),
    _Meaning("22", FatalError, "a value does not fit its column in the warehouse", _ALTERED),
)


@contextmanager
def explained(
    *drivers: type[Exception],
    sqlstate: Callable[[Exception], str] = duck.sqlstate,
    scratch: bool = False,
) -> Iterator[None]:
    """Turn database errors in the block into cxflow's. `drivers`: further exception classes; `sqlstate`: gives the code
    of an error.

    In a `scratch` database only the machine or cxflow can be at fault. A full disk is reported in the same words if an
    ordinary file hits it.
    """
    watched: tuple[type[Exception], ...] = (duckdb.Error, sa.exc.DBAPIError, *drivers)
    try:
        yield
    except RuntimeError as problem:
        # An exception raised by a signal handler while DuckDB works arrives as the cause of this one.
        if problem.__cause__ is None or isinstance(problem.__cause__, Exception):
            raise
        raise problem.__cause__ from None
    except OSError as problem:
        if "No usable temporary directory" in str(problem):
            raise ConfigError(
                "no folder for temporary files can be written",
                value="TMPDIR",
                fix="set TMPDIR to one that can",
            ) from None
        if not is_full(problem):
            raise
        raise as_error(problem, scratch=True) from None
    except watched as problem:
        found = as_error(problem, sqlstate, scratch=scratch)
        # Airflow logs the tracebacks of retried tasks with all causes, which may quote data.
        if isinstance(found, TransientError):
            raise found from None
        raise found from problem


def as_error(
    problem: Exception, sqlstate: Callable[[Exception], str] = duck.sqlstate, *, scratch: bool = False
) -> CxflowError:
    """A database's error as cxflow's."""
    cause: Any = getattr(problem, "orig", None) or problem
    code = _code(problem, cause, sqlstate)
    for meaning in _ANYWHERE if scratch else _ANYWHERE + _IN_WAREHOUSE:
        if code.startswith(meaning.code):
            message = meaning.message.format(
                original=first_line(cause), where=_where(cause), memory=memory_limit()
            )
            return meaning.kind(message, fix=meaning.fix.format(more=f"{2 * memory_bytes() // 10**6}MB"))
    return FatalError(
        f"the database failed unexpectedly ({', '.join(filter(None, (type(cause).__name__, code)))})",
        fix="this is a defect of cxflow; --verbose shows the database's message, data included",
    )


def _code(problem: Exception, cause: Any, sqlstate: Callable[[Exception], str]) -> str:
    """The SQLSTATE of an error, or an equivalent one; empty if there is none."""
    if isinstance(cause, duckdb.Error | OSError):  # DuckDB stages and copies on every engine
        return duck.sqlstate(cause)
    # If the connection breaks, there is no code.
    gone = getattr(problem, "connection_invalidated", False) or type(cause).__name__ == "OperationalError"
    return sqlstate(cause) or ("08006" if gone else "")


def first_line(cause: Any) -> str:
    """The first line of the database's message."""
    message = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
    return str(message).strip().split("\n")[0]


def _where(cause: Any) -> str:
    """Table, column and constraint, if the server names them."""
    diag = getattr(cause, "diag", None)
    place = ".".join(filter(None, (getattr(diag, "table_name", None), getattr(diag, "column_name", None))))
    constraint = getattr(diag, "constraint_name", None)
    return (f" of {place}" if place else "") + (f" ({constraint})" if constraint else "")
