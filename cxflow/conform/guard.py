"""Evaluates a projection's expressions over the raw view, and catches those that fail on some record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from cxflow.duck import identifier, literal
from cxflow.errors import ConfigError

DATA_ERRORS = (duckdb.DataError, duckdb.InvalidInputException, duckdb.InternalException)
"""What DuckDB raises if an expression fails on a record's value."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Expressions over the raw view, or over the items of one of its lists."""

    place: str
    """The canonical table, for messages and rejects."""
    expressions: Mapping[str, str]
    """Output column to DuckDB SQL."""
    where: str | None = None
    for_each: str | None = None
    """A list expression: one row per item."""
    hidden: tuple[str, ...] = ()
    """Raw columns named `item` or `item_no`, which the unnested item hides."""

    @property
    def item(self) -> str:
        """SQL: the item's number within its record; 0 without `for_each`."""
        return "item_no" if self.for_each else "0"

    def source(self, template: str = "{}") -> str:
        """The relation to select from. `template` wraps the list expression, such as `TRY({})`."""
        if not self.for_each:
            return "raw"
        items = template.format(f"({self.for_each})")
        rest = f"* EXCLUDE ({', '.join(identifier(name) for name in self.hidden)})" if self.hidden else "*"
        return (
            f"(SELECT {rest}, unnest({items}) AS item, generate_subscripts({items}, 1) AS item_no FROM raw)"
        )

    def sql(self) -> str:
        """The query: `SELECT _row, _item, …`."""
        where = f" WHERE ({self.where})" if self.where else ""
        return f"{self.select()} FROM {self.source()}{where}"

    def select(self, template: str = "{}") -> str:
        """The SELECT clause. `template` wraps each expression, such as `TRY({})`."""
        outputs = "".join(
            f", {template.format(f'({sql})')} AS {identifier(name)}" for name, sql in self.expressions.items()
        )
        return f"SELECT _row, {self.item} AS _item{outputs}"


def evaluate(database: duckdb.DuckDBPyConnection, evaluation: Evaluation, target: str) -> None:
    """Materialise an evaluation as the table `target`: `_row`, `_item` and the expressions' raw values.

    The plain query runs first. If it fails on some record, it runs again with every expression in TRY: a failure is
    null in the table and a row in `refused` under the rule `expression`. Raises ConfigError if an expression fails
    and TRY cannot catch it.
    """
    try:
        database.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS {evaluation.sql()}")
    except DATA_ERRORS:
        try:
            _rescue(database, evaluation, target)
        except duckdb.BinderException as problem:
            raise ConfigError(
                f"{evaluation.place}: an expression fails on some record, and the failure cannot be caught: "
                f"{str(problem).splitlines()[0]}",
                value=evaluation.place,
            ) from problem


def _rescue(database: duckdb.DuckDBPyConnection, evaluation: Evaluation, target: str) -> None:
    place, item = evaluation.place, evaluation.item
    if evaluation.for_each:
        _caught(database, "raw", "0", evaluation.for_each)
        _refuse(database, f"{place}.for_each", "caught")
    source = evaluation.source("TRY({})")
    if evaluation.where:
        condition = f"({evaluation.where})::BOOLEAN"
        _caught(database, source, item, condition)
        _refuse(database, f"{place}.where", "caught")
        # Materialised, so that the optimiser cannot move a failing condition out of its TRY.
        database.execute(
            f"CREATE OR REPLACE TEMP TABLE judged AS SELECT s.* FROM {source} AS s "
            f"JOIN caught c ON c._row = s._row AND c._item = {item} WHERE c.value"
        )
        source = "judged"
    database.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS {evaluation.select('TRY({})')} FROM {source}")
    for name, sql in evaluation.expressions.items():
        _nulls(database, source, item, sql)
        _refuse(database, f"{place}.{name}", target, identifier(name))


def _caught(database: duckdb.DuckDBPyConnection, source: str, item: str, sql: str) -> None:
    """Create `caught`, an expression's value in each row, null where it fails; and `nulls`."""
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE caught AS SELECT _row, {item} AS _item, TRY(({sql})) AS value FROM {source}"
    )
    _nulls(database, source, item, sql)


def _nulls(database: duckdb.DuckDBPyConnection, source: str, item: str, sql: str) -> None:
    """Create `nulls`: where an expression is null without failing. In a separate query, because next to TRY(x) the
    optimiser would hoist x out of TRY(x IS NULL) as a common subexpression."""
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE nulls AS SELECT _row, {item} AS _item, TRY(({sql}) IS NULL) AS is_null "
        f"FROM {source}"
    )


def _refuse(database: duckdb.DuckDBPyConnection, place: str, caught: str, value: str = "value") -> None:
    """Refuse the records whose caught value is null although the expression is not."""
    database.execute(
        "INSERT INTO refused (_row, stage, rule, column_name) SELECT DISTINCT n._row, 'conform', 'expression', "
        f"{literal(place)} FROM nulls n JOIN {caught} t USING (_row, _item) "
        f"WHERE t.{value} IS NULL AND n.is_null IS NOT TRUE"
    )
