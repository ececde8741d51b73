"""Checks the aggregates of a stream of groups. Called by `stream`, before anything is read."""

from __future__ import annotations

from collections.abc import Mapping

from cxflow import record_sql
from cxflow.errors import ConfigError

_IN_ORDER = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg", "first", "last"})
"""Aggregates whose value depends on the order of their lines."""


def check(aggregates: Mapping[str, str]) -> None:
    """Check that each sees only its lines, and does not depend on an order that nobody states. Raises ConfigError."""
    for name, sql in aggregates.items():
        place = f"aggregates.{name}"
        expression = record_sql.check(place, sql)
        record_sql.require_known(place, expression)
        for function in record_sql.calls(expression):
            if function.name in _IN_ORDER and not function.is_ordered:
                raise ConfigError(
                    f"{place}: {function.name}() without ORDER BY depends on the order in which lines are read",
                    value=place,
                    fix=f"say in which order: {function.name}(… ORDER BY …)",
                )
