"""What the databases say, as cxflow's errors: sorted by what to do next, with how to mend it. Called by `engine`,
and by `flow` for the scratch databases of the stages.

Errors are sorted by SQLSTATE; DuckDB, which has no such codes, by the code that PostgreSQL would give. No message
holds a value: databases quote those that they stumble over, and they may be personal. What is passed on of
their words are names of tables and columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, NamedTuple

import duckdb
import sqlalchemy as sa

from cxflow.duck import MEMORY_VARIABLE, memory_limit
from cxflow.errors import (
    ConfigError,
    CxflowError,
    FatalError,
    SchemaError,
    TransientError,
    WarehouseBusyError,
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

_MEMORY = "memory"
"""Stands for DuckDB's own limit, where trying again does not help."""

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
        _MEMORY,
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
    _Meaning("3F", SchemaError, "the warehouse's schema is not there", "mend the search_path of its user"),
    _Meaning("23", FatalError, "the warehouse refuses a row{where}", _ALTERED),
    _Meaning("22", FatalError, "a value does not fit its column in the warehouse", _ALTERED),
)

_DUCKDB_CODES: tuple[tuple[str, str], ...] = (
    ("failed to offload data block", "53100"),  # to the temporary directory, up to its size limit
    ("Permission denied", "25006"),
    ("Read-only file system", "25006"),
    ("read-only mode", "25006"),
    ("Corrupt database file", "XX001"),
    ("Could not read enough bytes", "XX001"),
)
_DUCKDB_CLASSES: tuple[tuple[type[duckdb.Error], str], ...] = (
    (duckdb.OutOfMemoryException, _MEMORY),
    (duckdb.TransactionException, "40001"),
    (duckdb.CatalogException, "42P01"),
    (duckdb.BinderException, "42703"),
    (duckdb.ConstraintException, "23000"),
    (duckdb.DataError, "22000"),
    (duckdb.SerializationException, "XX001"),
)

_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
)
"""What PostgreSQL says to a connection where trying again will not help."""
_HOLDER = re.compile(r"lock is held in (.+?) \(PID (\d+)\)")
"""DuckDB's words for the process that holds a file."""
_CROWDED = ("too many connections", "too many clients", "remaining connection slots")


@contextmanager
def explained(*drivers: type[Exception], scratch: bool = False) -> Iterator[None]:
    """Errors that a database raises in the block, as cxflow's; `drivers` are further classes to watch for.

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
        raise _sorted(problem, scratch=True) from None
    except watched as problem:
        found = _sorted(problem, scratch)
        # Airflow logs the traceback of what it retries, with every cause.
        if isinstance(found, TransientError):
            raise found from None
        raise found from problem


def _sorted(problem: Exception, scratch: bool) -> CxflowError:
    cause: Any = getattr(problem, "orig", None) or problem
    code = _code(problem, cause)
    for meaning in _ANYWHERE if scratch else _ANYWHERE + _IN_WAREHOUSE:
        if code.startswith(meaning.code):
            message = meaning.message.format(
                said=_first_line(cause), where=_where(cause), memory=memory_limit()
            )
            return meaning.kind(message, fix=meaning.fix)
    return FatalError(
        f"the database could not do it ({', '.join(filter(None, (type(cause).__name__, code)))})",
        fix="this is a defect of cxflow; --verbose shows what the database says, data included",
    )


def _code(problem: Exception, cause: Any) -> str:
    """The SQLSTATE of an error, or the one that stands for it; empty where there is none."""
    if isinstance(cause, duckdb.Error | OSError):
        if is_full(cause):
            return "53100"
        said = str(cause)
        by_words = (code for words, code in _DUCKDB_CODES if words in said)
        by_class = (code for kind, code in _DUCKDB_CLASSES if isinstance(cause, kind))
        return next(by_words, None) or next(by_class, "")
    # A server that went away has no time for a code.
    gone = getattr(problem, "connection_invalidated", False) or type(cause).__name__ == "OperationalError"
    return getattr(cause, "sqlstate", None) or ("08006" if gone else "")


def _first_line(cause: Any) -> str:
    said = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
    return str(said).strip().split("\n")[0]


def _where(cause: Any) -> str:
    """Table, column and constraint, where the server names them."""
    diag = getattr(cause, "diag", None)
    place = ".".join(filter(None, (getattr(diag, "table_name", None), getattr(diag, "column_name", None))))
    constraint = getattr(diag, "constraint_name", None)
    return (f" of {place}" if place else "") + (f" ({constraint})" if constraint else "")


def unreachable(problem: sa.exc.DBAPIError) -> ConfigError | TransientError:
    """Why a server made no connection. Told by its words: psycopg gives no code here."""
    said = str(problem.orig)
    if reason := next((words for words in _REFUSALS if words in said), None):
        return ConfigError(
            f"the warehouse refuses the connection ({reason})",
            value="warehouse.url",
            fix="mend warehouse.url or warehouse.password, or ask for the right",
        )
    if any(words in said for words in _CROWDED):
        return TransientError(
            "the warehouse has no connection left",
            value="warehouse.url",
            fix="run fewer tasks at once, or raise the server's limit",
        )
    return TransientError(
        "the warehouse cannot be reached", value="warehouse.url", fix="is the server up, and the host right?"
    )


def held(problem: sa.exc.DBAPIError, seconds: float) -> WarehouseBusyError:
    """A DuckDB file was locked for too long; names the process that holds it, if DuckDB says so."""
    found = _HOLDER.search(str(problem.orig))
    who = f" (process {found[2]}, {PurePath(found[1]).name})" if found else ""
    return WarehouseBusyError(
        f"another process has held the warehouse for {seconds:g} s{who}",
        fix="close it there, or raise warehouse.busy_timeout_seconds",
    )


def unopened(problem: sa.exc.DBAPIError) -> CxflowError:
    """Why a DuckDB file could not be opened. What DuckDB says of that is about the file."""
    said = _first_line(problem.orig)
    code = _code(problem, problem.orig)
    if code in ("53100", "25006", "XX001"):
        return _sorted(problem, scratch=False)
    return ConfigError(
        f"the warehouse cannot be opened: {said}",
        value="warehouse.url",
        fix="is it a DuckDB file, of this version of DuckDB or an older one? or put a backup back",
    )
