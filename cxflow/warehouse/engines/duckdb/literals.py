"""Statements of a read-only connection hold their values as literals.

DuckDB imports pandas, NumPy and Arrow to bind a parameter, to see whether it is `pandas.NaT`: more than a third of a
second of processor time, for a command that then reads for some milliseconds.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from duckdb_sqlalchemy import DuckDBCompiler
from sqlalchemy import event

from cxflow.duck import literal

_KINDS = (sa.String, sa.Integer, sa.Boolean, sa.Date, sa.DateTime)
"""Values of other types are bound: a fraction would be a decimal number as a literal."""


def use(database: sa.Engine) -> None:
    """Write the values into the statements of this engine. What its errors quote of a statement has none."""
    database.dialect.statement_compiler = _Compiler
    event.listen(database, "handle_error", _forget)


class _Compiler(DuckDBCompiler):
    def visit_bindparam(self, bindparam: Any, *arguments: Any, **options: Any) -> str:
        kind = bindparam.type
        if isinstance(kind, _KINDS) and not isinstance(kind, sa.Enum):
            options["literal_execute"] = True
        return str(super().visit_bindparam(bindparam, *arguments, **options))  # type: ignore[no-untyped-call]

    def render_literal_value(self, value: Any, type_: Any) -> str:
        match value:
            case bool():
                return "true" if value else "false"
            case int():
                return str(int(value))
            case str():
                return literal(str(value))
            case datetime():
                return (
                    f"{'TIMESTAMP' if value.tzinfo is None else 'TIMESTAMPTZ'} {literal(value.isoformat())}"
                )
            case date():
                return f"DATE {literal(value.isoformat())}"
        return str(super().render_literal_value(value, type_))  # type: ignore[no-untyped-call]


def _forget(context: Any) -> None:
    """Quote the statement as it was compiled, with names in place of values."""
    problem, executed = context.sqlalchemy_exception, context.execution_context
    compiled = None if executed is None else executed.compiled
    if problem is not None and compiled is not None:
        problem.statement = compiled.string
