"""Decides which records of a conformed batch may load, and whether the batch may load at all. Called by `flow`."""

from __future__ import annotations

from collections.abc import Callable, Collection

import duckdb

from cxflow import record_sql
from cxflow.duck import count, identifier, literal
from cxflow.errors import ConfigError, FatalError
from cxflow.landing import prepared
from cxflow.landing.prepared import CONFLICT_COLUMN, CONFLICT_RULE, REPEATED_KEY, Conformed, Verdict
from cxflow.model import progress
from cxflow.model.snapshots import SnapshotStream
from cxflow.model.sql_place import named, shown
from cxflow.model.stream import PLACE, Stream
from cxflow.settings import Quality, Settings, nearest
from cxflow.validate import activities, amounts, examples, runner, suites
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
    conditions = {f"expect.{item.rule}": item.sql for item in stream.expect if item.sql is not None}
    _check_conditions(conditions, () if stream.has_places else PLACE)


def _check_conditions(conditions: dict[str, str], absent: Collection[str]) -> None:
    """Check that each condition, by its place, parses and sees only its own row and record, which has no column of
    `absent`. Raises ConfigError."""
    if not conditions:
        return
    for place, sql in conditions.items():
        condition = record_sql.check(place, sql)
        record_sql.require_known(place, condition)
        for column in condition.columns():
            if column.path[0].lower() == "k" and not {*map(str.lower, column.path)}.isdisjoint(absent):
                raise ConfigError(
                    f"{place}: {named(sql)} names the place of a record in a file, which this stream's records do not "
                    f"have{shown(sql, column.at)}",
                    value=place,
                )
        for column in record_sql.value_functions(condition):  # no canonical column has such a name
            raise ConfigError(
                f"{place}: {named(sql)} names the column {column.path[0]!r}, which does not exist"
                f"{shown(sql, column.at)}",
                value=place,
            )


def validate(
    settings: Settings,
    stream: Stream,
    conformed: Conformed,
    database: duckdb.DuckDBPyConnection,
    known: Callable[[], Collection[int]] = tuple,
) -> Verdict:
    """Run the expectations over a conformed batch, refuse the records that break one, and decide on the batch.

    The runner has `opened` its `database`.

    Creates the scratch table `left_out` with the records that must not load: the refused ones, and all versions but the
    newest. They are usually few, so filtering by them is fast. A replay is not a batch as the source delivered it, so
    the gate never stops it. `known` gives the raw hashes of the records in quarantine: a batch that brings no other
    refused record than those (a look-back reads records again) is not stopped for them.
    """
    check(stream)
    progress.report("validating", total=conformed.extracted)
    declared = suites.of_stream(settings.quality, stream)
    broken = runner.run(conformed.database, declared) if conformed.rows else []
    for item in broken:
        if item.rows_sql is not None:
            _refuse(database, item)
    _refuse_repeated_keys(database, stream)
    _leave_out_older_versions(database, stream)
    shares_keys = _find_shared_keys(database, stream)
    refused = count(database, "(SELECT DISTINCT _row FROM refused)")
    sharing = count(database, "(SELECT DISTINCT _row FROM sharing)")
    conflicting = count(
        database,
        f"refused WHERE rule = {literal(CONFLICT_RULE)} AND column_name = {literal(CONFLICT_COLUMN)}",
    )
    fit = count(database, "record ANTI JOIN left_out USING (_row)") + conflicting - sharing
    deduplicated = count(database, "left_out ANTI JOIN refused USING (_row)")
    found = reasons(database)
    odd = amounts.misfits(database, stream) if settings.quality.minor_units == "warn" else {}
    other = activities.unknown(database, stream)
    why = ""
    if not conformed.is_replay:
        why = _why(settings, stream, conformed.extracted, refused + sharing, fit, found, broken)
        if why and _raw_hashes(database) <= set(known()):
            why = _why(settings, stream, conformed.extracted, 0, fit, found, broken)
    refused_values = examples.of(database, stream, declared) if why else {}
    suggested = examples.suggestions(database, stream) if why else []
    rules = database.execute(
        f"SELECT rule, count(DISTINCT _row) FROM {_JUDGED if why else 'refused'} GROUP BY rule ORDER BY rule"
    ).fetchall()
    return Verdict(
        passed=not why,
        why=why,
        tables=conformed.tables,
        extracted=conformed.extracted,
        refused=refused,
        deduplicated=deduplicated,
        sharing=sharing,
        shares_keys=shares_keys,
        rules={rule: int(records) for rule, records in rules},
        report={
            **conformed.report,
            **({"odd_amounts": odd} if odd else {}),
            **({"unknown_activities": other} if other else {}),
        },
        raw_columns=conformed.raw_columns,
        takes_latest=stream.takes_latest,
        mapping=conformed.mapping,
        max_vanished_share=_max_vanished_share(settings, stream),
        examples=refused_values,
        suggestions=suggested,
    )


def _max_vanished_share(settings: Settings, stream: Stream) -> float:
    own = stream.max_vanished_share if isinstance(stream, SnapshotStream) else None
    return settings.quality.max_vanished_share if own is None else own


_JUDGED = "(FROM refused UNION ALL FROM sharing)"
"""What the gate judges a batch by: refused records, and those that share a key with another record of the batch."""


def _raw_hashes(database: duckdb.DuckDBPyConnection) -> set[int | None]:
    """The hashes of the refused raw records; None among them if one could not be read."""
    rows = database.execute(
        f"SELECT DISTINCT raw_hash FROM {_JUDGED} LEFT JOIN record USING (_row)"
    ).fetchall()
    return {row[0] for row in rows}


def reasons(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Why records of a validated batch are refused: "rule of column" to the number of records, most frequent first."""
    rows = database.execute(
        "SELECT concat_ws(' of ', rule, column_name), count(DISTINCT _row) AS records "
        f"FROM {_JUDGED} GROUP BY ALL ORDER BY records DESC, 1"
    ).fetchall()
    return {reason: int(records) for reason, records in rows}


def _refuse(database: duckdb.DuckDBPyConnection, item: runner.Broken) -> None:
    """Refuse the records with rows that break an expectation. Raises FatalError if the numbers of rows differ."""
    table, rule = item.expectation.table, item.expectation.rule
    at_fault = f"[{literal(table)}]"
    if rule == suites.IN_ORDER and (pairs := suites.ordered_pairs(tables.CANONICAL[table])):
        cases = (f"CASE WHEN NOT {condition} THEN {literal(names)} END" for names, condition in pairs.items())
        at_fault = f"[{', '.join(cases)}]"
    row = database.execute(
        f"INSERT INTO refused SELECT DISTINCT _row, 'validate', {literal(rule)}, place, NULL "
        f"FROM (SELECT t._row, unnest({at_fault}) AS place FROM {table} t WHERE t.row_id IN ({item.rows_sql})) "
        "WHERE place IS NOT NULL"
    ).fetchone()
    found = count(database, f"({item.rows_sql})")
    if found != item.count or row is None:
        raise FatalError(
            f"{rule} on {table}: Great Expectations counted {item.count} rows, but the query finds {found}"
        )


_GOOD = "(SELECT * FROM record WHERE _row NOT IN (SELECT _row FROM refused))"


def _leave_out_older_versions(database: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Create `left_out`: the records refused so far, and all versions but the newest of the others.

    The order of versions is total and does not depend on what is in which batch: version, time of delivery, and for
    equal ones the origin, its later reading, and the place in it. Where the policy is to quarantine, records from
    different places that differ in content but not in version and time of delivery are all refused: nothing tells which
    is right. Only repeated keys need sorting.
    """
    database.execute(
        f"CREATE TEMP TABLE repeated AS SELECT record_id FROM {_GOOD} GROUP BY record_id HAVING count(*) > 1"
    )
    newest = "version_at DESC NULLS LAST, received_at DESC"
    database.execute(
        "CREATE TEMP TABLE version AS SELECT _row, record_id, content_hash, origin, batch_id, row_number, "
        f"rank() OVER (PARTITION BY record_id ORDER BY {newest}) AS age, "
        "max(batch_id) OVER (PARTITION BY record_id, version_at, received_at, origin) AS last_reading "
        f"FROM {_GOOD} WHERE record_id IN (SELECT record_id FROM repeated)"
    )
    if not stream.takes_latest:
        # An earlier reading of the same file is no rival of the later one.
        rivals = "(SELECT * FROM version WHERE age = 1 AND batch_id = last_reading)"
        database.execute(
            f"INSERT INTO refused SELECT _row, 'validate', {literal(CONFLICT_RULE)}, {literal(CONFLICT_COLUMN)}, NULL "
            f"FROM {rivals} WHERE record_id IN (SELECT record_id FROM {rivals} "
            "GROUP BY record_id HAVING count(DISTINCT content_hash) > 1)"
        )
    database.execute(
        "CREATE TABLE left_out AS SELECT DISTINCT _row FROM refused UNION ALL SELECT _row FROM "
        "(SELECT _row, row_number() OVER (PARTITION BY record_id "
        "ORDER BY age, origin DESC, batch_id DESC, row_number DESC) AS place FROM version) "
        "WHERE place > 1 AND _row NOT IN (SELECT _row FROM refused)"
    )


def _refuse_repeated_keys(database: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Refuse the records of which two rows of a canonical table have the same key."""
    for name, projections in stream.to.items():
        if len(projections) == 1 and (name == tables.touchpoint.name or not projections[0].for_each):
            continue  # each record has one row, or a key that a touchpoint's hash makes its own
        key = ", ".join(identifier(column) for column in tables.KEYS[name])
        database.execute(
            f"INSERT INTO refused SELECT DISTINCT _row, 'validate', {literal(REPEATED_KEY)}, {literal(name)}, NULL "
            f"FROM (SELECT _row FROM {name} GROUP BY _row, {key} HAVING count(*) > 1)"
        )


def _find_shared_keys(database: duckdb.DuckDBPyConnection, stream: Stream) -> bool:
    """Create `sharing`, as `refused` is: the records whose rows share a key with those of another record here. Returns
    whether any do, deleted ones included, which the load does not refuse.

    The load decides, because these may not be the current versions. Here they tell of a mapping that gives many records
    one key.
    """
    database.execute(prepared.create("sharing", prepared.REFUSED))
    shares_keys = False
    for name in stream.to:
        if name == tables.touchpoint.name:
            continue  # its key is a hash of the record's key
        key = ", ".join(identifier(column) for column in tables.KEYS[name])
        kept = f"(SELECT _row, is_deleted, {key} FROM {name} ANTI JOIN left_out USING (_row))"
        database.execute(
            f"CREATE OR REPLACE TEMP TABLE shared_key AS SELECT {key}, count(*) FILTER (NOT is_deleted) AS living "
            f"FROM {kept} GROUP BY {key} HAVING count(*) > 1"
        )
        if count(database, "shared_key"):
            shares_keys = True
            database.execute(
                f"INSERT INTO sharing SELECT DISTINCT _row, 'load', {literal(CONFLICT_RULE)}, {literal(name)}, NULL "
                f"FROM {kept} SEMI JOIN (FROM shared_key WHERE living > 1) USING ({key}) WHERE NOT is_deleted"
            )
    return shares_keys


def _why(
    settings: Settings,
    stream: Stream,
    extracted: int,
    refused: int,
    fit: int,
    found: dict[str, int],
    broken: list[runner.Broken],
) -> str:
    """Why the batch may not load; empty if it may.

    A batch smaller than `quality.min_records` is judged as if it had that many records. A batch of which no record
    is fit to load is stopped whatever its size, unless the allowed share is 1. Records in conflict are fit: they only
    exclude each other, and might have come in two batches.
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
    if refused and not fit and limit < 1:
        return f"none of {extracted:,} records passed ({why})"
    return ""
