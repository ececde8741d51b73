"""What database drivers say, as cxflow's errors. Called by `database`.

No message holds the URL, nor what a driver says of values: drivers quote passwords and data. What they say of
a statement that they do not understand is the configuration's own text, and is shown.
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
"""What servers say to a connection where trying again will not help."""
_WRITES = ("readonly database", "read-only mode", "read-only transaction", "can only execute")
_LOCKS = ("database is locked", "database table is locked", "gone away", "lost connection", "deadlock")
_NOT_UNDERSTOOD = ("no such ", "syntax error", "ambiguous column", "unrecognized token", "incomplete input")
"""How SQLite begins or ends what it says of a statement; it has no codes."""
_NOT_UNDERSTOOD_BY_DUCKDB = ("ParserException", "BinderException", "CatalogException", "SyntaxException")


def unreachable(problem: BaseException) -> CxflowError:
    """Why a connection was not made: a refusal, options that do not fit, or nobody there."""
    said = str(getattr(problem, "orig", None) or problem).lower()
    reason = next((item for item in _REFUSALS if item in said), None)
    if reason:
        return ConfigError(
            f"the database refuses the connection ({reason})",
            value="url",
            fix="fix the user, password or database in the URL, or ask for the right",
        )
    if isinstance(problem, TypeError | ValueError | sa.exc.ProgrammingError):
        return ConfigError("the options of url do not fit its driver", value="url")
    if "lock" in said or "different configuration" in said:
        return TransientError("another process holds the database file", value="url")
    return TransientError(
        "the database cannot be reached", value="url", fix="is the server up, and the host right?"
    )


def explained(problem: BaseException, expired: bool, timeout_seconds: float) -> CxflowError:
    """Why a statement failed; `expired` where cxflow itself broke it off."""
    original: Any = getattr(problem, "orig", None) or problem
    state = str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")
    said = (str(original).splitlines() or [""])[0]
    lower = said.lower()
    kind = type(original).__name__
    code = str(getattr(original, "sqlite_errorname", ""))
    if expired or state == "57014":
        return TransientError(
            f"the database took longer than {timeout_seconds:g} s",
            value="statement_timeout_seconds",
            fix="an index on the cursor columns helps; or raise statement_timeout_seconds",
        )
    if code in ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY"):
        return SourceError(
            "the database file was left in the middle of a write, which reading alone cannot complete",
            value="url",
            fix="open it once with what writes it",
        )
    if code in ("SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_CANTLOCK"):
        return ConfigError(
            "the database file is in WAL mode, and this user may not write its -shm file",
            value="url",
            fix="grant that in its folder, or keep the file in another journal mode",
        )
    if kind == "PermissionException":
        return ConfigError(
            "the query reaches beyond the database file",
            value="query",
            fix='a connection may name the folders whose files are read: folders = ["exports"]',
        )
    if state == "25006" or any(mark in lower for mark in _WRITES):
        return ConfigError("the query writes; a source is only read", value="query")
    if (
        state[:2] in ("08", "40", "53", "55", "57", "58")
        or getattr(problem, "connection_invalidated", False)
        or isinstance(original, OSError)
        or any(mark in lower for mark in _LOCKS)
    ):
        return TransientError(f"the database broke off ({', '.join(filter(None, (kind, state)))})")
    if "is not a database" in lower:  # SQLite looks into the file at the first statement
        return unreachable(problem)
    if state == "42501" or "permission denied" in lower:
        return ConfigError("this user has no right to read it", fix="grant SELECT")
    if state.startswith("42") or _is_not_understood(kind, lower):
        return ConfigError(f"the database does not understand: {said}", value="query")
    return SourceError(
        f"the database failed at a value or an operation ({', '.join(filter(None, (kind, state)))})",
        fix="run the query by hand: what the database says of it may hold data and is not shown here",
    )


def _is_not_understood(kind: str, said: str) -> bool:
    return kind in _NOT_UNDERSTOOD_BY_DUCKDB or (
        kind == "OperationalError" and any(mark in said for mark in _NOT_UNDERSTOOD)
    )
