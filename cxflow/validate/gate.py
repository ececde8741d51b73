"""Decides which records of a conformed batch may load, and whether the batch may load at all. Called by `flow`."""

from __future__ import annotations

import duckdb

from cxflow import record_sql
from cxflow.duck import count, identifier, literal, seal_sql, workbench
from cxflow.errors import ConfigError, FatalError
from cxflow.landing.prepared import Conformed, Verdict
from cxflow.model.stream import Stream
from cxflow.settings import Quality, Settings, nearest
from cxflow.validate import runner, suites
from cxflow.warehouse import tables


def check(stream: Stream) -> None:
    """Check that a stream's own expectations are about tables it fills, have known types or conditions on nothing but
    the row and its record, and have rule names that are unique per table. Raises ConfigError."""
    rules = {
        name: [item.rule for item in suites.of_table(Quality(), tables.CANONICAL[name])] for name in stream.to
    }
    for expectation in stream.expect:
        if expectation.table not in stream.to:
            raise ConfigError(
                f"the expectation {expectation.rule!r} is about {expectation.table!r}, which the stream does not "
                f"fill{nearest(expectation.table, stream.to)}",
                value=expectation.table,
            )
        if expectation.rule in rules[expectation.table]:
            raise ConfigError(
                f"there are two expectations {expectation.rule!r} on {expectation.table}",
                value=expectation.rule,
                fix="give one of them another name",
            )
        rules[expectation.table].append(expectation.rule)
        if expectation.type:
            runner.check(expectation)
    _check_conditions({f"expect.{item.rule}": item.sql for item in stream.expect if item.sql is not None})


def _check_conditions(conditions: dict[str, str]) -> None:
    """Check that each condition, by its place, parses and sees only its own row and record. Raises ConfigError."""
    if not conditions:
        return
    with workbench() as database:
        for place, sql in conditions.items():
            condition = record_sql.check(database, place, sql)
            for column in record_sql.value_functions(
                database, condition
            ):  # no canonical column has such a name
                raise ConfigError(
                    f"{place}: {sql!r} names the column {column.path[0]!r}, which does not exist", value=place
                )


def validate(settings: Settings, stream: Stream, conformed: Conformed) -> Verdict:
    """Run the expectations, refuse the records that break one, and decide on the batch.

    Creates the scratch table `left_out` with the records that must not load: the refused ones, and all versions but the
    newest. They are usually few, so filtering by them is fast. A replay is not a batch as the source delivered it, so
    the gate never stops it.
    """
    check(stream)
    broken = (
        runner.run(conformed.database, suites.of_stream(settings.quality, stream)) if conformed.rows else []
    )
    with workbench(conformed.database) as database:
        database.execute(seal_sql())  # the expectations are the project's SQL
        for item in broken:
            if item.rows_sql is not None:
                _refuse(database, item)
        _refuse_conflicts(database, stream)
        _leave_out_older_versions(database)
        _refuse_shared_keys(database, stream)
        database.execute(
            "INSERT INTO left_out SELECT DISTINCT _row FROM refused ANTI JOIN left_out USING (_row)"
        )
        refused = count(database, "(SELECT DISTINCT _row FROM refused)")
        loadable = count(database, "record ANTI JOIN left_out USING (_row)")
        deduplicated = count(database, "left_out ANTI JOIN refused USING (_row)")
        rules = database.execute(
            "SELECT rule, count(DISTINCT _row) FROM refused GROUP BY rule ORDER BY rule"
        ).fetchall()
        found = reasons(database)
    why = ""
    if not conformed.is_replay:
        why = _why(settings, stream, conformed.extracted, refused, loadable, found, broken)
    return Verdict(
        passed=not why,
        why=why,
        tables=conformed.tables,
        extracted=conformed.extracted,
        refused=refused,
        deduplicated=deduplicated,
        rules={rule: int(records) for rule, records in rules},
        report=conformed.report,
        raw_columns=conformed.raw_columns,
    )


def reasons(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Why records of a validated batch are refused: "rule of column" to the number of records, most frequent first."""
    rows = database.execute(
        "SELECT concat_ws(' of ', rule, column_name), count(DISTINCT _row) AS records FROM refused "
        "GROUP BY ALL ORDER BY records DESC, 1"
    ).fetchall()
    return {reason: int(records) for reason, records in rows}


def _refuse(database: duckdb.DuckDBPyConnection, item: runner.Broken) -> None:
    """Refuse the records with rows that break an expectation. Raises FatalError if the numbers of rows differ."""
    table, rule = item.expectation.table, item.expectation.rule
    row = database.execute(
        f"INSERT INTO refused SELECT DISTINCT r._row, 'validate', {literal(rule)}, {literal(table)}, NULL "
        f"FROM {table} r WHERE r.row_id IN ({item.rows_sql})"
    ).fetchone()
    found = count(database, f"({item.rows_sql})")
    if found != item.count or row is None:
        raise FatalError(
            f"{rule} on {table}: Great Expectations counted {item.count} rows, but the query finds {found}"
        )


_GOOD = "(SELECT * FROM record WHERE _row NOT IN (SELECT _row FROM refused))"


def _refuse_conflicts(database: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Create `repeated`, the keys of more than one record. Refuse records that differ in content but not in key,
    version and time of delivery: nothing tells which is newer."""
    database.execute(
        f"CREATE TEMP TABLE repeated AS SELECT record_id FROM {_GOOD} GROUP BY record_id HAVING count(*) > 1"
    )
    if stream.takes_latest:
        return
    repeated = f"(SELECT * FROM {_GOOD} WHERE record_id IN (SELECT record_id FROM repeated))"
    database.execute(
        "INSERT INTO refused SELECT g._row, 'validate', 'duplicate_key', 'primary_key', NULL "
        f"FROM {repeated} g JOIN (SELECT record_id, version_at, received_at FROM {repeated} GROUP BY ALL "
        "HAVING count(DISTINCT content_hash) > 1) c ON c.record_id = g.record_id "
        "AND c.version_at IS NOT DISTINCT FROM g.version_at AND c.received_at = g.received_at"
    )


def _leave_out_older_versions(database: duckdb.DuckDBPyConnection) -> None:
    """Create `left_out`: the records refused so far, and all versions but the newest of the others; of equal versions,
    all but the last delivered. Only repeated keys need sorting."""
    database.execute(
        "CREATE TABLE left_out AS SELECT DISTINCT _row FROM refused UNION ALL "
        f"(SELECT _row FROM {_GOOD} WHERE record_id IN (SELECT record_id FROM repeated) QUALIFY row_number() OVER "
        "(PARTITION BY record_id ORDER BY version_at DESC NULLS LAST, received_at DESC, _row DESC) > 1)"
    )


def _refuse_shared_keys(database: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Refuse the records of rows that share a key within a canonical table."""
    for name, projections in stream.to.items():
        if name == tables.touchpoint.name and len(projections) == 1:
            continue  # its key is a hash of the record's key
        key = ", ".join(identifier(column) for column in tables.KEYS[name])
        kept = f"(SELECT _row, {key} FROM {name} ANTI JOIN left_out USING (_row))"
        database.execute(
            f"INSERT INTO refused SELECT DISTINCT r._row, 'validate', 'duplicate_key', {literal(name)}, NULL "
            f"FROM {kept} r JOIN (SELECT {key} FROM {kept} GROUP BY {key} HAVING count(*) > 1) USING ({key})"
        )


def _why(
    settings: Settings,
    stream: Stream,
    extracted: int,
    refused: int,
    loadable: int,
    found: dict[str, int],
    broken: list[runner.Broken],
) -> str:
    """Why the batch may not load; empty if it may.

    A batch smaller than `quality.min_records` is judged as if it had that many records. A batch of which no record
    passes is stopped whatever its size, unless the allowed share is 1.
    """
    for item in broken:
        if item.rows_sql is None:
            return f"the table-level expectation {item.expectation.rule!r} on {item.expectation.table} failed"
    limit = (
        settings.quality.max_rejected_share
        if stream.max_rejected_share is None
        else stream.max_rejected_share
    )
    why = ", ".join(f"{reason} {records:,}" for reason, records in found.items())
    if refused > limit * max(extracted, settings.quality.min_records):
        return (
            f"{refused:,} of {extracted:,} records were rejected, more than the {limit:.1%} allowed ({why})"
        )
    if refused and not loadable and limit < 1:
        return f"none of {extracted:,} records passed ({why})"
    return ""
