"""Evaluates a projection's expressions over the raw view, and survives those that fail on some record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from cxflow.duck import identifier, literal
from cxflow.errors import ConfigError

DATA_ERRORS = (duckdb.DataError, duckdb.InvalidInputException, duckdb.InternalException)
"""What DuckDB raises where an expression fails on the value of some record."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Expressions over the raw view, or over the items of a list in it."""

    place: str
    """The canonical table, for messages and rejects."""
    expressions: Mapping[str, str]
    """Output column to DuckDB SQL."""
    where: str | None = None
    for_each: str | None = None
    """A list expression: one row per item."""
    hidden: tuple[str, ...] = ()
    """Raw columns that are called like an item, which takes their place."""

    @property
    def item(self) -> str:
        """The item's number within its record, as SQL; 0 where there are no items."""
        return "item_no" if self.for_each else "0"

    def source(self, form: str = "{}") -> str:
        """The relation, the list expression in a form."""
        if not self.for_each:
            return "raw"
        items = form.format(f"({self.for_each})")
        rest = f"* EXCLUDE ({', '.join(identifier(name) for name in self.hidden)})" if self.hidden else "*"
        return (
            f"(SELECT {rest}, unnest({items}) AS item, generate_subscripts({items}, 1) AS item_no FROM raw)"
        )

    def sql(self) -> str:
        """`SELECT _row, _item, …`."""
        where = f" WHERE ({self.where})" if self.where else ""
        return f"{self.select()} FROM {self.source()}{where}"

    def select(self, form: str = "{}") -> str:
        """Its head, each expression in a form."""
        outputs = "".join(
            f", {form.format(f'({sql})')} AS {identifier(name)}" for name, sql in self.expressions.items()
        )
        return f"SELECT _row, {self.item} AS _item{outputs}"


def evaluate(database: duckdb.DuckDBPyConnection, evaluation: Evaluation, target: str) -> None:
    """Materialise an evaluation as the table `target`: `_row`, `_item` and the expressions' raw values.

    The plain query is tried first. Where it fails on some record it is run again with every expression caught:
    a failure is null in the table and a line in `refused` under the rule `expression`. Raises ConfigError where
    an expression fails and cannot be caught.
    """
    try:
        database.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS {evaluation.sql()}")
    except DATA_ERRORS:
        try:
            _rescue(database, evaluation, target)
        except duckdb.BinderException as problem:
            raise ConfigError(
                f"{evaluation.place}: an expression fails on some record, and cannot be caught there: "
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
    """`caught`: an expression's value in each row, null where it fails; and `nulls`."""
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE caught AS SELECT _row, {item} AS _item, TRY(({sql})) AS value FROM {source}"
    )
    _nulls(database, source, item, sql)


def _nulls(database: duckdb.DuckDBPyConnection, source: str, item: str, sql: str) -> None:
    """`nulls`: where an expression is null by itself. In a query of its own: beside TRY(x), the optimiser takes
    x out of TRY(x IS NULL) as shared."""
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE nulls AS SELECT _row, {item} AS _item, TRY(({sql}) IS NULL) AS is_null "
        f"FROM {source}"
    )


def _refuse(database: duckdb.DuckDBPyConnection, place: str, caught: str, value: str = "value") -> None:
    """Refuse the records of which a caught value is null and the expression is not."""
    database.execute(
        "INSERT INTO refused (_row, stage, rule, column_name) SELECT DISTINCT n._row, 'conform', 'expression', "
        f"{literal(place)} FROM nulls n JOIN {caught} t USING (_row, _item) "
        f"WHERE t.{value} IS NULL AND n.is_null IS NOT TRUE"
    )
