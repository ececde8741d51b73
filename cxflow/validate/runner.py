"""Runs expectations with Great Expectations over the scratch file of a conformed batch. Called by `gate`.

Its results hold raw values: only rule names, counts and row numbers leave this module.
"""

from __future__ import annotations

import functools
import gc
import importlib.util
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from cxflow.duck import seal_sql, settings_sql
from cxflow.errors import ConfigError, FatalError
from cxflow.landing.prepared import PLACES
from cxflow.model.expectation import Expectation
from cxflow.model.sql_place import marked, shown
from cxflow.model.stream import PLACE
from cxflow.settings import nearest

# Without these, Great Expectations asks SQLAlchemy for things that DuckDB's driver cannot do.
_ENGINE: Mapping[str, Any] = {
    "isolation_level": "AUTOCOMMIT",
    "pool_reset_on_return": None,
    "skip_autocommit_rollback": True,
}
_PLACE_NAMED = re.compile(rf'\bk\s*\.\s*"?({"|".join(PLACE)})\b', re.IGNORECASE)
_WHOLE = "all"
"""The name of the batch with all rows of a table."""
_RESULT = {"result_format": "COMPLETE", "unexpected_index_column_names": ["row_id"]}


@dataclass(frozen=True, slots=True)
class Broken:
    """An expectation that did not hold."""

    expectation: Expectation
    count: int
    """Rows that break it; 0 for a table-level expectation."""
    rows_sql: str | None
    """SQL for their `row_id`s; None for a table-level expectation."""


@contextmanager
def opened(database: Path, files: Sequence[Path] = ()) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a scratch file for `run` and for SQL of the project: in UTC, and cut off from everything but `files`.

    By SQLAlchemy, as Great Expectations opens it: so all its connections are of this one instance of DuckDB, whose
    settings are theirs, and which would take them 20 ms each.
    """
    engine = sa.create_engine(f"duckdb:///{database}", **_ENGINE)
    try:
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute(f"SET GLOBAL TimeZone = 'UTC'; {settings_sql()}")
            driver.execute(seal_sql(files=[str(file) for file in files]))
            yield driver
    finally:
        engine.dispose()


def run(database: Path, suites: dict[str, list[Expectation]]) -> list[Broken]:
    """Validate each table against its suite; returns the broken expectations. The file is `opened`.

    Raises FatalError if an expectation could not be evaluated: a crash never counts as a pass or a failure.
    """
    broken: list[Broken] = []
    with _source(database, suites) as source:
        for table, expectations in suites.items():
            batch = source.get_asset(table).get_batch_definition(_WHOLE).get_batch()
            outcome = batch.validate(_suite(table, expectations), result_format=_RESULT)
            by_rule = {expectation.rule: expectation for expectation in expectations}
            for result in outcome.results:
                expectation = by_rule[result.expectation_config.meta["rule"]]
                _raise_if_crashed(expectation, result.exception_info)
                if not result.success:
                    broken.append(_broken(expectation, table, result.result))
    return broken


@functools.cache
def great_expectations() -> Any:
    """The library, imported on first use because that takes seconds. Its own deprecation warnings are silenced: the
    caller cannot fix them."""
    # Two thousand modules produce no garbage, but looking for it takes a sixth of the import's time.
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            _import_when_used("scipy", "stats")
            import great_expectations
            import great_expectations.expectations

            # The modules stay until the process ends. Scanning them again, at the latest at exit, takes a second.
            gc.freeze()
    finally:
        gc.enable()
    return great_expectations


def _import_when_used(package: str, name: str) -> None:
    """Import a submodule lazily, on first use. `scipy.stats` is a third of all that Great Expectations imports, and
    only two of its expectations need it."""
    spec = importlib.util.find_spec(f"{package}.{name}")
    if spec is None or spec.loader is None or spec.name in sys.modules:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    setattr(sys.modules[package], name, module)


def import_in_background() -> None:
    """Start to import the library on another thread, while the source is read (mostly outside Python)."""
    if "great_expectations" not in sys.modules:
        threading.Thread(target=great_expectations, daemon=True).start()


@functools.cache
def _context() -> Any:
    """A context in memory, without progress bars."""
    context = great_expectations().get_context(mode="ephemeral")
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@contextmanager
def _source(database: Path, tables: Iterable[str]) -> Iterator[Any]:
    """The scratch file as a data source with its tables, declared in one call: the context serialises itself to YAML on
    every addition."""
    name = str(database)
    whole = [{"name": _WHOLE, "partitioner": None}]
    source = _context().data_sources.add_sql(
        name,
        connection_string=f"duckdb:///{database}",
        kwargs=dict(_ENGINE),
        assets=[
            {"type": "table", "name": table, "table_name": table, "batch_definitions": whole}
            for table in tables
        ],
    )
    try:
        yield source
    finally:
        # An open connection would block the file for the rest of this process.
        execution = source.get_execution_engine()
        execution.close()
        execution.engine.dispose()
        source.get_engine().dispose()
        _context().data_sources.delete(name)


def _suite(table: str, expectations: list[Expectation]) -> Any:
    gx = great_expectations()
    made = []
    for expectation in expectations:
        meta = {"rule": expectation.rule}
        if expectation.sql is not None:
            query = _offenders("{batch}", expectation.sql.replace("{", "{{").replace("}", "}}"))
            made.append(_counting()(unexpected_rows_query=query, meta=meta))
        else:
            made.append(_made(expectation, meta))
    return gx.ExpectationSuite(name=table, expectations=made)


@functools.cache
def _counting() -> Any:
    """An expectation that a query has no rows, which only counts them. Its base class also fetches some: a second
    query, for values that nobody may see."""
    rows: Any = great_expectations().expectations.UnexpectedRowsExpectation
    count = "unexpected_rows_query.row_count"

    class CountedRowsExpectation(rows):  # type: ignore[misc]
        metric_dependencies = (count,)

        def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
            return {"success": metrics[count] == 0, "result": {"observed_value": metrics[count]}}

    return CountedRowsExpectation


def _offenders(relation: str, condition: str) -> str:
    """SQL for the rows for which a condition is false. The record is a single value `k`, so that none of its columns
    hides one of the table's; it is joined only if the condition uses it."""
    record = ""
    if re.search(r"\bk\s*\.", condition):
        known = (
            f"(SELECT * FROM record JOIN {PLACES} USING (_row))"
            if _PLACE_NAMED.search(condition)
            else "record"
        )
        record = f" JOIN (SELECT _row, k FROM {known} k) USING (_row)"
    return f"SELECT t.row_id FROM (SELECT * FROM {relation}) t{record} WHERE NOT (\n{condition}\n)"


def check(expectation: Expectation) -> None:
    """Check that Great Expectations has the declared type and accepts its arguments. Raises ConfigError."""
    _made(expectation, {})


def _made(expectation: Expectation, meta: dict[str, str]) -> Any:
    known = expectation_class(expectation)
    try:
        return known(**expectation.with_, meta=meta)
    except (TypeError, ValueError) as problem:  # pydantic's errors are ValueErrors
        text = " ".join(str(problem).split())
        raise ConfigError(
            f"the expectation {expectation.rule!r} has arguments that {expectation.type} does not accept: {text}",
            value=expectation.rule,
        ) from problem


def expectation_class(expectation: Expectation) -> Any:
    """The Great Expectations class of a declared type. Raises ConfigError with the nearest name."""
    known = great_expectations().expectations
    name = "".join(part.capitalize() for part in str(expectation.type).split("_"))
    names = [item for item in dir(known) if item.startswith("Expect")]
    if name not in names:
        snake = [re.sub(r"(?<!^)(?=[A-Z])", "_", item).lower() for item in names]
        raise ConfigError(
            f"Great Expectations has no {expectation.type!r}{nearest(str(expectation.type), snake)}",
            value=expectation.type,
        )
    return getattr(known, name)


def _raise_if_crashed(expectation: Expectation, info: Any) -> None:
    # Either one flat dictionary, or one per metric.
    outcomes = [info] if "raised_exception" in (info or {}) else list((info or {}).values())
    for outcome in outcomes:
        if isinstance(outcome, dict) and outcome.get("raised_exception"):
            message = str(outcome.get("exception_message", ""))
            text = message.splitlines() or ["no message"]
            sql = expectation.sql or ""
            raise FatalError(
                f"the expectation {expectation.rule!r} on {expectation.table} cannot be evaluated: "
                f"{_without_values(text[0], expectation)}{shown(sql, marked(sql, message) if sql else None)}",
                value=expectation.rule,
            )


def _without_values(message: str, expectation: Expectation) -> str:
    """A database's message without its quoted texts, unless they occur in the declaration: others may be values of a
    record."""
    declared = str(expectation.model_dump())

    def kept(match: re.Match[str]) -> str:
        return match[0] if match[0].strip("'\"`") in declared else "…"

    return re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", kept, message)


def _broken(expectation: Expectation, table: str, result: dict[str, Any]) -> Broken:
    if expectation.level == "table":
        return Broken(expectation, 0, None)
    if expectation.sql is not None:
        rows = _offenders(table, expectation.sql)
        return Broken(expectation, int(result["observed_value"]), rows)
    query = result.get("unexpected_index_query")
    if not query:
        raise ConfigError(
            f"the expectation {expectation.rule!r} is about a whole table",
            fix='declare it with level = "table"',
        )
    return Broken(
        expectation,
        int(result["unexpected_count"]),
        f"SELECT row_id FROM ({str(query).rstrip().rstrip(';')})",
    )
