"""What databases say, as cxflow's errors: sorted by what to do next, each with its fix. Called by `transactions`, and
by `flow` for the scratch databases of the stages.

Errors are sorted by SQLSTATE; each engine gives the code of its driver's errors. No message holds a value: databases
quote the values they stumble over, which may be personal. Only names of tables and columns are passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb
import sqlalchemy as sa

from cxflow import duck
from cxflow.duck import MEMORY_VARIABLE, OUT_OF_MEMORY, memory_limit
from cxflow.errors import (
    ConfigError,
    CxflowError,
    FatalError,
    SchemaError,
    TransientError,
)
from cxflow.scratch import is_full


class _Meaning(NamedTuple):
    """What a code means; `{said}` is the database's sentence, where it can only hold names."""

    code: str
    """A SQLSTATE, or what several begin with."""
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
        "make room for the warehouse, its tablespace or TMPDIR, and run it again",
    ),
    _Meaning(
        "53200",
        TransientError,
        "the database has not enough memory; nothing of this step was kept",
        "give it more, or run fewer tasks at once",
    ),
    _Meaning(
        OUT_OF_MEMORY,
        ConfigError,
        "this needs more memory than DuckDB may take ({memory}); nothing of this step was kept",
        f"raise {MEMORY_VARIABLE}; where one huge record is the cause, max_record_bytes of its stream refuses it",
    ),
    _Meaning("40", TransientError, "another load changed the same rows", "run it again"),
    _Meaning(
        "XX001",
        FatalError,
        "the database is damaged: what it reads is not what it wrote",
        "put a backup back, or make the warehouse anew and load it from the landing zone",
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
        "the server broke off a statement",
        "was it cancelled? or raise the statement_timeout of the warehouse's user",
    ),
    _Meaning(
        "25P", TransientError, "the server broke off the transaction for its length", "raise its time-out"
    ),
    _Meaning("57", TransientError, "the server broke off the connection", "is it restarting? run it again"),
    _Meaning("08", TransientError, "the connection to the server broke", "is it up? run it again"),
    _Meaning("55", TransientError, "somebody else holds what is needed", "run it again"),
    _Meaning("58", FatalError, "the server cannot read or write its files", "its own log says which"),
    _Meaning("XX002", FatalError, "an index of the server is damaged", "REINDEX it"),
    _Meaning(
        "25006",
        ConfigError,
        "the warehouse can only be read here",
        "name the primary server, or a file that this user may write, in warehouse.url",
    ),
    _Meaning("42501", ConfigError, "the warehouse's user lacks a right: {said}", _RIGHTS),
    _Meaning(
        "2BP01",
        SchemaError,
        "{said}",
        "something made by hand hangs on it: drop that, and make it anew after",
    ),
    _Meaning("42", SchemaError, "the warehouse's tables are not those that cxflow made: {said}", _ALTERED),
    _Meaning("3F", SchemaError, "the warehouse's schema is not there", "fix the search_path of its user"),
    _Meaning("23", FatalError, "the warehouse refuses a row{where}", _ALTERED),
    _Meaning("22", FatalError, "a value does not fit its column in the warehouse", _ALTERED),
)


@contextmanager
def explained(
    *drivers: type[Exception],
    sqlstate: Callable[[Exception], str] = duck.sqlstate,
    scratch: bool = False,
) -> Iterator[None]:
    """Errors that a database raises in the block, as cxflow's. `drivers` are further classes to watch for, `sqlstate`
    gives the code of one.

    In a `scratch` database only the machine can be at fault, or cxflow. A disk that fills up beside a database, under
    the files that it is made of, is said in the same words.
    """
    watched: tuple[type[Exception], ...] = (duckdb.Error, sa.exc.DBAPIError, *drivers)
    try:
        yield
    except RuntimeError as problem:
        # What a signal raises while DuckDB works comes out as an error of DuckDB's.
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
        # Airflow logs the traceback of what it retries, with every cause.
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
                said=first_line(cause), where=_where(cause), memory=memory_limit()
            )
            return meaning.kind(message, fix=meaning.fix)
    return FatalError(
        f"the database could not do it ({', '.join(filter(None, (type(cause).__name__, code)))})",
        fix="this is a defect of cxflow; --verbose shows what the database says, data included",
    )


def _code(problem: Exception, cause: Any, sqlstate: Callable[[Exception], str]) -> str:
    """The SQLSTATE of an error, or the one that stands for it; empty where there is none."""
    if isinstance(cause, duckdb.Error | OSError):  # DuckDB stages and copies, whatever the engine
        return duck.sqlstate(cause)
    # A server that went away has no time for a code.
    gone = getattr(problem, "connection_invalidated", False) or type(cause).__name__ == "OperationalError"
    return sqlstate(cause) or ("08006" if gone else "")


def first_line(cause: Any) -> str:
    """The database's own sentence."""
    said = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
    return str(said).strip().split("\n")[0]


def _where(cause: Any) -> str:
    """Table, column and constraint, where the server names them."""
    diag = getattr(cause, "diag", None)
    place = ".".join(filter(None, (getattr(diag, "table_name", None), getattr(diag, "column_name", None))))
    constraint = getattr(diag, "constraint_name", None)
    return (f" of {place}" if place else "") + (f" ({constraint})" if constraint else "")
