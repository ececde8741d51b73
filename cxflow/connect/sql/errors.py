"""Translates errors of database drivers into cxflow's. Called by `database`.

No message contains the URL or a driver's text about values, because drivers quote passwords and data. A driver's text
about a statement that it does not understand quotes only the configuration, and is shown.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.errors import ConfigError, CxflowError, SourceError, TransientError

_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "access denied",
    "unknown database",
    "login failed",
    "ora-01017",
    "file is not a database",
    "not a valid duckdb database file",
)
"""Messages of servers that refuse a connection for good."""
_WRITES = ("readonly database", "read-only mode", "read-only transaction", "can only execute")
_LOCKS = ("database is locked", "database table is locked", "gone away", "lost connection", "deadlock")
_NOT_UNDERSTOOD = ("no such ", "syntax error", "ambiguous column", "unrecognized token", "incomplete input")
"""How SQLite's messages about a statement begin or end; it has no error codes."""
_NOT_UNDERSTOOD_BY_DUCKDB = ("ParserException", "BinderException", "CatalogException", "SyntaxException")


def unreachable(problem: BaseException) -> CxflowError:
    """The error for a failed connection: refused, wrong options, or no server."""
    message = str(getattr(problem, "orig", None) or problem).lower()
    reason = next((item for item in _REFUSALS if item in message), None)
    if reason:
        return ConfigError(
            f"the database refuses the connection ({reason})",
            value="url",
            fix="fix the user, password or database in the URL, or ask for the permission",
        )
    if isinstance(problem, TypeError | ValueError | sa.exc.ProgrammingError):
        return ConfigError("the options of url do not fit its driver", value="url")
    if "lock" in message or "different configuration" in message:
        return TransientError("another process holds the database file", value="url")
    return TransientError(
        "the database cannot be reached", value="url", fix="check that the server is up and the host is right"
    )


def explained(problem: BaseException, expired: bool, timeout_seconds: float) -> CxflowError:
    """The error for a failed statement. `expired`: cxflow itself cancelled it."""
    original: Any = getattr(problem, "orig", None) or problem
    state = str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")
    message = (str(original).splitlines() or [""])[0]
    lower = message.lower()
    kind = type(original).__name__
    code = str(getattr(original, "sqlite_errorname", ""))
    if expired or state == "57014":
        return TransientError(
            f"the database took longer than {timeout_seconds:g} s",
            value="statement_timeout_seconds",
            fix="add an index on the cursor columns, or raise statement_timeout_seconds",
        )
    if code in ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY"):
        return SourceError(
            "the database file was left in the middle of a write, which a read-only connection cannot complete",
            value="url",
            fix="open it once with the application that writes it",
        )
    if code in ("SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_CANTLOCK"):
        return ConfigError(
            "the database file is in WAL mode, and this user may not write its -shm file",
            value="url",
            fix="grant write access to its folder, or use another journal mode",
        )
    if kind == "PermissionException":
        return ConfigError(
            "the query reaches beyond the database file",
            value="query",
            fix='list the folders whose files a connection may read: folders = ["exports"]',
        )
    if state == "25006" or any(mark in lower for mark in _WRITES):
        return ConfigError("the query writes; a source is only read", value="query")
    if (
        state[:2] in ("08", "40", "53", "55", "57", "58")
        or getattr(problem, "connection_invalidated", False)
        or isinstance(original, OSError)
        or any(mark in lower for mark in _LOCKS)
    ):
        return TransientError(f"the database ended the connection ({', '.join(filter(None, (kind, state)))})")
    if "is not a database" in lower:  # SQLite reads the file at the first statement
        return unreachable(problem)
    if state == "42501" or "permission denied" in lower:
        return ConfigError("this user has no permission to read it", fix="grant SELECT")
    if state.startswith("42") or _is_not_understood(kind, lower):
        return ConfigError(f"the database does not understand: {message}", value="query")
    return SourceError(
        f"the database failed on a value or an operation ({', '.join(filter(None, (kind, state)))})",
        fix="run the query by hand: the database's message may hold data and is not shown here",
    )


def _is_not_understood(kind: str, message: str) -> bool:
    return kind in _NOT_UNDERSTOOD_BY_DUCKDB or (
        kind == "OperationalError" and any(mark in message for mark in _NOT_UNDERSTOOD)
    )
