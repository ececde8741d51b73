"""Checks a mapping before anything is read, and finds the types of its expressions over the raw columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
from sqlalchemy import Table

from cxflow import record_sql
from cxflow.conform import personal, time_formats
from cxflow.conform.bound_projection import required
from cxflow.conform.expressions import MACROS
from cxflow.conform.guard import Evaluation
from cxflow.duck import blank, seal_sql, workbench
from cxflow.errors import ConfigError
from cxflow.model import raw_schema
from cxflow.model.sql_place import marked, named, shown
from cxflow.model.stream import PLACE, Projection, Stream
from cxflow.settings import nearest
from cxflow.warehouse import tables


@contextmanager
def connect(path: Path, files: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a scratch file with the mapping macros for the block. Of other files, its SQL can only read `files`.

    Its data is read once or twice and thrown away: compressing it would take longer than all the casts. Rows carry
    their number, so insertion order need not be kept.
    """
    with workbench(path) as database:
        database.execute("PRAGMA force_compression = 'uncompressed'; SET preserve_insertion_order = false")
        # It would compute what an expression does twice outside of the TRY around it.
        database.execute("SET disabled_optimizers = 'common_subexpressions'")
        for name, (definition, _) in MACROS.items():
            database.execute(f"CREATE OR REPLACE TEMP MACRO {name}{definition}")
        database.execute(seal_sql(files=[str(path) for path in files]))
        yield database


def check(stream: Stream) -> None:
    """Check that a mapping's tables and columns exist, that its SQL parses and sees only its record, and that it shows
    no personal column. Raises ConfigError at the first fault."""
    for name, projections in stream.to.items():
        if name not in tables.CANONICAL:
            raise ConfigError(
                f"there is no canonical table {name!r}{nearest(name, tables.CANONICAL)}", value=name
            )
        allowed = tables.mappable(tables.CANONICAL[name])
        for projection in projections:
            for column, expression in projection.columns.items():
                if column not in allowed:
                    raise ConfigError(
                        f"{name} has no column {column!r} to map{nearest(column, allowed)}", value=column
                    )
                _parse(f"{name}.{column}", expression)
            _require_mapped(name, projection, stream)
            for clause in ("where", "for_each"):
                if expression := getattr(projection, clause):
                    _parse(f"{name}.{clause}", expression)
    for place, expression in record_expressions(stream).items():
        _parse(place, expression)
    time_formats.check(stream.time_formats)
    personal.check(stream)


def check_references(stream: Stream, systems: Iterable[str]) -> None:
    """Check that the systems named in `id_of` are connections. Raises ConfigError: other ids would join nothing."""
    known = set(systems)
    for name, projection in ((name, item) for name, items in stream.to.items() for item in items):
        for column, expression in projection.columns.items():
            for system in re.findall(r"\bid_of\(\s*'([^']*)'", expression):
                if system not in known:
                    raise ConfigError(
                        f"{name}.{column}: id_of names the connection {system!r}, which is not configured"
                        f"{nearest(system, known)}",
                        value=system,
                    )


def check_tags(stream: Stream, raw: raw_schema.RawSchema) -> None:
    """Check that the raw columns tagged as personal data exist. Raises ConfigError with the nearest name."""
    known = [*raw_schema.names(raw), *(PLACE if stream.has_places else ())]
    for name in stream.pii:
        if name.lower() not in map(str.lower, known):
            raise unknown_column("pii", name, known)


def _require_mapped(name: str, projection: Projection, stream: Stream) -> None:
    """Check that every required column is mapped or filled by cxflow. Raises ConfigError."""
    table = tables.CANONICAL[name]
    filled = {"currency_code"} | ({"touchpoint_id"} if tables.touchpoint.name in stream.to else set())
    absent = [each for each in required(table) if each not in projection.columns and each not in filled]
    if absent:
        columns = f"columns {', '.join(map(repr, absent))}" if absent[1:] else f"column {absent[0]!r}"
        verb = "are" if absent[1:] else "is"
        raise ConfigError(f"{name} requires the {columns}, which {verb} not mapped", value=absent[0])


def record_expressions(stream: Stream) -> dict[str, str]:
    """The expressions for a record as a whole: its key, version, deletion and identifiers."""
    found = {f"primary_key_{number}": key for number, key in enumerate(stream.primary_key, start=1)}
    if stream.version:
        found["version"] = stream.version
    if stream.deleted:
        found["deleted"] = stream.deleted
    return found | {f"identifiers.{name}": sql for name, sql in stream.identifiers.items()}


def expressions(stream: Stream) -> Iterator[tuple[str, str, bool]]:
    """All expressions of a mapping: place, SQL, and whether it may name an item of its projection's list."""
    for place, expression in record_expressions(stream).items():
        yield place, expression, False
    for table, projection in ((table, each) for table, many in stream.to.items() for each in many):
        has_items = projection.for_each is not None
        if projection.for_each is not None:
            yield f"{table}.for_each", projection.for_each, False
        if projection.where is not None:
            yield f"{table}.where", projection.where, has_items
        for column, expression in projection.columns.items():
            yield f"{table}.{column}", expression, has_items


@cache
def _sql_keywords() -> frozenset[str]:
    with blank() as database:
        rows = database.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
        ).fetchall()
    return frozenset(row[0] for row in rows)


def is_word_of_sql(name: str) -> bool:
    """Whether SQL reads a bare name as a keyword and not as a column: `order`, `end`, `desc`."""
    return name.lower() in _sql_keywords()


def _parse(place: str, expression: str) -> None:
    word = expression.strip()
    if word.lower() not in ("null", "true", "false") and is_word_of_sql(word):
        raise ConfigError(
            f"{place}: {word!r} is a SQL keyword",
            value=place,
            fix=f"quote a column of that name twice, for TOML and for SQL: '\"{word}\"'",
        )
    record_sql.require_known(place, record_sql.check(place, expression), MACROS)


def types(
    database: duckdb.DuckDBPyConnection,
    place: str,
    expressions: dict[str, str],
    raw: raw_schema.RawSchema,
    source: str = "raw",
) -> dict[str, str]:
    """The DuckDB types of expressions over a relation.

    Raises ConfigError with the place, the unknown raw column or function, and the nearest name.
    """
    found = {}
    known = {"item", "item_no", *(name.lower() for name in raw)}
    for name, expression in expressions.items():
        for column in record_sql.value_functions(record_sql.parse(place, expression)):
            if column.path[0].lower() not in known:  # DuckDB would take it for a function
                raise unknown_column(
                    f"{place}{name}: {named(expression)}",
                    column.path[0],
                    raw_schema.names(raw),
                    shown(expression, column.at),
                )
        try:
            # Also in WHERE, which allows neither aggregates nor set-returning functions.
            row = database.execute(
                f"DESCRIBE SELECT (\n{expression}\n) AS value FROM {source} WHERE (\n{expression}\n) IS NULL"
            ).fetchone()
        except duckdb.Error as problem:
            raise _explained(f"{place}{name}", expression, raw, problem) from problem
        found[name] = str(row[1]) if row else "VARCHAR"
    return found


def _explained(place: str, expression: str, raw: raw_schema.RawSchema, problem: duckdb.Error) -> ConfigError:
    text = str(problem).splitlines()[0]
    known = raw_schema.names(raw)
    where = shown(expression, marked(expression, str(problem)))
    missing = re.search(r'Referenced (?:column|table) "([^"]+)"|Could not find key "([^"]+)"', text)
    if missing:
        return unknown_column(f"{place}: {named(expression)}", missing[1] or missing[2], known, where)
    nearer = re.search(r'Did you mean "([^"]+)"', str(problem))
    hint = f"; did you mean {nearer[1]!r}?" if nearer else ""
    return ConfigError(f"{place}: {named(expression)} cannot be computed: {text}{hint}{where}", value=place)


def unknown_column(place: str, name: str, known: list[str], where: str = "") -> ConfigError:
    """The error for a raw column that does not exist, with the nearest name. `where`: the lines that show its place."""
    fix = f"raw columns: {', '.join(known[:40])}; add a column that may be absent to may_lack"
    if len(known) == 1 and (marks := [mark for mark in ";\t|," if mark in known[0]]):
        # The whole header as one name: the most common slip with exports from a spreadsheet.
        mark = max(marks, key=known[0].count)
        fix = f"the only raw column is {known[0]!r}; does the stream need delimiter = {json.dumps(mark)}?"
    return ConfigError(
        f"{place} names the raw column {name!r}, which does not exist{nearest(name, known)}{where}",
        value=name,
        fix=fix,
    )


def bind(
    database: duckdb.DuckDBPyConnection, table: Table, projection: Projection, raw: raw_schema.RawSchema
) -> tuple[Evaluation, dict[str, str]]:
    """Bind a projection to the raw view; returns its evaluation and the DuckDB types of its expressions."""
    hidden = tuple(name for name in raw if name.lower() in ("item", "item_no"))
    evaluation = Evaluation(table.name, projection.columns, projection.where, projection.for_each, hidden)
    if projection.for_each:
        kind = types(database, f"{table.name}.", {"for_each": projection.for_each}, raw)["for_each"]
        if not kind.endswith("[]"):
            raise ConfigError(
                f"{table.name}.for_each: {projection.for_each!r} is not a list but {kind}",
                value=projection.for_each,
            )
    if projection.where:
        types(database, f"{table.name}.", {"where": projection.where}, raw, evaluation.source())
    return evaluation, types(database, f"{table.name}.", projection.columns, raw, evaluation.source())
