"""Fills canonical tables from evaluated expressions: casts, misfits, derived columns, required values."""

from __future__ import annotations

from typing import Any

import duckdb
from sqlalchemy import Column, Table

from cxflow.conform.expressions import Cast, Notation, cast, cast_id, duckdb_type
from cxflow.conform.guard import Evaluation, evaluate
from cxflow.model.activities import ACTIVITIES
from cxflow.model.scales import SCALES
from cxflow.model.sql import identifier, literal
from cxflow.store import tables


def create(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    """The empty scratch table of a canonical one."""
    columns = ", ".join(
        f"{identifier(name)} {duckdb_type(column.type)}" for name, column in tables.mappable(table).items()
    )
    database.execute(f"CREATE TABLE {table.name} (row_id BIGINT, _row BIGINT, {columns})")


def fill(
    database: duckdb.DuckDBPyConnection,
    table: Table,
    evaluation: Evaluation,
    kinds: dict[str, str],
    *,
    system: str,
    stream: str,
    notation: Notation,
    currency: str,
) -> None:
    """Add a projection's rows to its scratch table, and its misfits to `refused`.

    `kinds` are the DuckDB types of the expressions; `currency` stands where no currency is said.
    """
    columns = tables.mappable(table)
    casts = {name: _cast_column(columns[name], kind, system, notation) for name, kind in kinds.items()}
    evaluated = evaluate(database, evaluation)
    values = ", ".join(f"{made.value} AS {identifier(name)}" for name, made in casts.items())
    filled = _derived(table, set(casts), system, stream, currency)
    outputs = [
        filled.get(name, f"v.{identifier(name)}" if name in casts else f"NULL::{duckdb_type(column.type)}")
        for name, column in columns.items()
    ]
    database.execute(
        f"INSERT INTO {table.name} SELECT "
        f"(SELECT coalesce(max(row_id), 0) FROM {table.name}) + row_number() OVER (), v._row, {', '.join(outputs)} "
        f"FROM (SELECT _row, _item, {values} FROM {evaluated} AS r) AS v JOIN record k ON k._row = v._row"
    )
    counted = database.execute(
        f"SELECT {', '.join(f'count(*) FILTER ({made.misfit})' for made in casts.values())} FROM {evaluated} AS r"
    ).fetchone()
    for (name, made), count in zip(casts.items(), counted or (), strict=True):
        if count:
            database.execute(
                "INSERT INTO refused (_row, stage, rule, column_name, raw_value) "
                f"SELECT r._row, 'conform', {made.rule}, {literal(f'{table.name}.{name}')}, "
                f"r.{identifier(name)}::VARCHAR FROM {evaluated} AS r WHERE {made.misfit}"
            )


def require(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Refuse the records that lack a required value. A deleted one only loses the row: a tombstone has little
    more than its key."""
    names = required(table)
    for name in names:
        place = literal(f"{table.name}.{name}")
        database.execute(
            "INSERT INTO refused (_row, stage, rule, column_name) "
            f"SELECT DISTINCT t._row, 'conform', 'required', {place} FROM {table.name} t JOIN record k USING (_row) "
            f"WHERE t.{identifier(name)} IS NULL AND NOT k.is_deleted "
            f"AND NOT EXISTS (SELECT 1 FROM refused f WHERE f._row = t._row AND f.column_name = {place})"
        )
    database.execute(
        f"DELETE FROM {table.name} WHERE {' OR '.join(f'{identifier(name)} IS NULL' for name in names)}"
    )


def required(table: Table) -> list[str]:
    """The columns that a row cannot do without."""
    found = {name for name, column in tables.mappable(table).items() if not column.nullable}
    return sorted(found | set(table.info["key"]))


def _cast_column(column: Column[Any], kind: str, system: str, notation: Notation) -> Cast:
    """The cast of one expression, of DuckDB type `kind`, to its canonical column."""
    raw = f"r.{identifier(column.name)}"
    if column.info.get("qualified"):
        return cast_id(raw, kind, system)
    return cast(raw, kind, duckdb_type(column.type), notation)


def _derived(table: Table, mapped: set[str], system: str, stream: str, currency: str) -> dict[str, str]:
    """What cxflow fills where a mapping is silent or null: column to SQL over the cast values `v` and the
    record `k`."""
    found: dict[str, str] = {}
    if table is tables.touchpoint:
        found["touchpoint_id"] = (
            f"md5(concat_ws(chr(31), {literal(system)}, {literal(stream)}, k.record_id, v.activity, "
            "nullif(v._item, 0)))"
        )
        activity = "v.activity" if "activity" in mapped else "NULL"
        found["journey_stage"] = _lookup(
            activity, {name: literal(item.stage) for name, item in ACTIVITIES.items()}
        )
        found["control"] = _lookup(
            activity, {name: literal(item.control) for name, item in ACTIVITIES.items()}
        )
        found["direction"] = _lookup(
            activity, {name: literal(item.direction) for name, item in ACTIVITIES.items()}
        )
        found["received_at"] = "k.received_at"
    if table is tables.survey_response:
        metric = "v.metric_type" if "metric_type" in mapped else "NULL"
        found["worst_rating"] = _lookup(metric, {name: str(scale.worst) for name, scale in SCALES.items()})
        found["best_rating"] = _lookup(metric, {name: str(scale.best) for name, scale in SCALES.items()})
    if table is tables.review:
        found["worst_rating"], found["best_rating"] = "1", "5"
    if "currency_code" in tables.mappable(table):
        found["currency_code"] = literal(currency)
    return {
        name: f"coalesce(v.{identifier(name)}, {sql})" if name in mapped else sql
        for name, sql in found.items()
    }


def _lookup(key: str, values: dict[str, str]) -> str:
    whens = " ".join(f"WHEN {literal(name)} THEN {value}" for name, value in values.items())
    return f"CASE {key} {whens} END"
