"""Evaluates a projection's expressions over the raw view, and survives those that fail on some record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from cxflow.model.sql import identifier, literal

_DATA_ERRORS = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
    duckdb.InternalException,
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Expressions over one relation."""

    place: str
    """The canonical table, for messages and rejects."""
    expressions: Mapping[str, str]
    """Output column to DuckDB SQL."""
    source: str = "raw"
    item: str = "0"
    """The item's number within its record, as SQL."""
    where: str | None = None

    def sql(self, form: str = "{}") -> str:
        """`SELECT _row, _item, …` with each expression in a form."""
        outputs = "".join(
            f", {form.format(f'({sql})')} AS {identifier(name)}" for name, sql in self.expressions.items()
        )
        where = f" WHERE ({self.where})" if self.where else ""
        return f"SELECT _row, {self.item} AS _item{outputs} FROM {self.source}{where}"


def evaluate(database: duckdb.DuckDBPyConnection, evaluation: Evaluation) -> str:
    """Materialise an evaluation and return its table's name: `_row`, `_item` and the expressions' raw values.

    The plain query is tried first. Where it fails on some record it is run again with every expression caught:
    a failure is null in the table and a line in `refused` under the rule `expression`.
    """
    target = f"evaluated_{evaluation.place}"
    try:
        database.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS {evaluation.sql()}")
    except _DATA_ERRORS:
        _rescue(database, evaluation, target)
    return target


def _rescue(database: duckdb.DuckDBPyConnection, evaluation: Evaluation, target: str) -> None:
    source = evaluation.source
    if evaluation.where:
        # Materialised, so that the optimiser cannot move a failing condition out of its TRY.
        database.execute(
            f"CREATE OR REPLACE TEMP TABLE judged AS SELECT *, TRY(({evaluation.where})) AS _holds, "
            f"TRY(({evaluation.where}) IS NULL) AS _is_null FROM {source}"
        )
        database.execute(
            "INSERT INTO refused (_row, stage, rule, column_name) SELECT DISTINCT _row, 'conform', 'expression', "
            f"{literal(f'{evaluation.place}.where')} FROM judged WHERE _holds IS NULL AND _is_null IS NOT TRUE"
        )
        source = "(SELECT * EXCLUDE (_holds, _is_null) FROM judged WHERE _holds)"
    caught = Evaluation(evaluation.place, evaluation.expressions, source, evaluation.item)
    database.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS {caught.sql('TRY({})')}")
    for name, sql in evaluation.expressions.items():
        # In a query of its own: beside TRY(x), the optimiser takes x out of TRY(x IS NULL) as shared.
        database.execute(
            f"CREATE OR REPLACE TEMP TABLE nulls AS SELECT _row, {evaluation.item} AS _item, "
            f"TRY(({sql}) IS NULL) AS is_null FROM {source}"
        )
        database.execute(
            "INSERT INTO refused (_row, stage, rule, column_name) SELECT DISTINCT n._row, 'conform', 'expression', "
            f"{literal(f'{evaluation.place}.{name}')} FROM nulls n JOIN {target} t USING (_row, _item) "
            f"WHERE t.{identifier(name)} IS NULL AND n.is_null IS NOT TRUE"
        )
