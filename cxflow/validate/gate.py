"""Decides what of a conformed batch may load: passed rows, refused records, or nothing. Called by `flow`."""

from __future__ import annotations

import duckdb

from cxflow.duck import identifier, literal, workbench
from cxflow.errors import ConfigError, FatalError
from cxflow.landing.prepared import Conformed, Verdict
from cxflow.model.stream import Stream
from cxflow.settings import Quality, Settings, nearest
from cxflow.validate import runner, suites
from cxflow.warehouse import tables


def check(stream: Stream) -> None:
    """Whether a stream's own expectations speak of tables it fills and of types there are, each under a name of
    its own. Raises ConfigError."""
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
                fix="give it a name of its own",
            )
        rules[expectation.table].append(expectation.rule)
        if expectation.type:
            runner.check(expectation)


def validate(settings: Settings, stream: Stream, conformed: Conformed) -> Verdict:
    """Run the expectations, refuse the records that break one, and decide on the batch.

    Afterwards the scratch table `left_out` names the records that are not to load: those that were refused, and all
    versions but the newest. They are few, and so are quickly told from the others. The records of a replay are no
    batch of their source, so no gate closes on them: each stands for itself.
    """
    check(stream)
    broken = (
        runner.run(conformed.database, suites.of_stream(settings.quality, stream)) if conformed.rows else []
    )
    with workbench(conformed.database) as database:
        for item in broken:
            if item.rows_sql is not None:
                _refuse(database, item)
        _refuse_conflicts(database, stream)
        _leave_out_older_versions(database)
        _refuse_shared_keys(database, stream)
        database.execute(
            "INSERT INTO left_out SELECT DISTINCT _row FROM refused ANTI JOIN left_out USING (_row)"
        )
        refused = _count(database, "SELECT count(DISTINCT _row) FROM refused")
        loadable = _count(database, "SELECT count(*) FROM record ANTI JOIN left_out USING (_row)")
        deduplicated = _count(database, "SELECT count(*) FROM left_out ANTI JOIN refused USING (_row)")
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
        rules={rule: int(count) for rule, count in rules},
        report=conformed.report,
        raw_columns=conformed.raw_columns,
    )


def reasons(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Why records of a validated batch are refused: "rule of column" to how many, the most frequent first."""
    rows = database.execute(
        "SELECT concat_ws(' of ', rule, column_name), count(DISTINCT _row) AS records FROM refused "
        "GROUP BY ALL ORDER BY records DESC, 1"
    ).fetchall()
    return {reason: int(count) for reason, count in rows}


def _refuse(database: duckdb.DuckDBPyConnection, item: runner.Broken) -> None:
    table, rule = item.expectation.table, item.expectation.rule
    row = database.execute(
        f"INSERT INTO refused SELECT DISTINCT r._row, 'validate', {literal(rule)}, {literal(table)}, NULL "
        f"FROM {table} r WHERE r.row_id IN ({item.rows_sql})"
    ).fetchone()
    found = _count(database, f"SELECT count(*) FROM ({item.rows_sql})")
    if found != item.count or row is None:
        raise FatalError(f"{rule} on {table}: {item.count} rows break it, but {found} were found")


_GOOD = "(SELECT * FROM record WHERE _row NOT IN (SELECT _row FROM refused))"


def _refuse_conflicts(database: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """`repeated`: the keys that several records have. Different records with one key, one version and one time of
    delivery are refused: which is newer cannot be told."""
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
    """`left_out`: the records refused so far, and of the others all versions but the newest; of equal ones, all but
    the last delivered. Only keys that are repeated need the sorting."""
    database.execute(
        "CREATE TABLE left_out AS SELECT DISTINCT _row FROM refused UNION ALL "
        f"(SELECT _row FROM {_GOOD} WHERE record_id IN (SELECT record_id FROM repeated) QUALIFY row_number() OVER "
        "(PARTITION BY record_id ORDER BY version_at DESC NULLS LAST, received_at DESC, _row DESC) > 1)"
    )


def _refuse_shared_keys(database: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Two rows with one key in a canonical table: all the records they are of are refused."""
    for name, projections in stream.to.items():
        if name == tables.touchpoint.name and len(projections) == 1:
            continue  # its key is a hash of the record's own
        key = ", ".join(identifier(column) for column in tables.KEYS[name])
        mine = f"(SELECT _row, {key} FROM {name} ANTI JOIN left_out USING (_row))"
        database.execute(
            f"INSERT INTO refused SELECT DISTINCT r._row, 'validate', 'duplicate_key', {literal(name)}, NULL "
            f"FROM {mine} r JOIN (SELECT {key} FROM {mine} GROUP BY {key} HAVING count(*) > 1) USING ({key})"
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
    """Why the batch may not load; empty where it may.

    A batch smaller than `quality.min_records` is judged as if it had that many; but one of which nothing passes is
    stopped, however small, unless the share that may be rejected is all.
    """
    for item in broken:
        if item.rows_sql is None:
            return f"the table-level expectation {item.expectation.rule!r} on {item.expectation.table} does not hold"
    limit = (
        settings.quality.max_rejected_share
        if stream.max_rejected_share is None
        else stream.max_rejected_share
    )
    said = ", ".join(f"{reason} {count:,}" for reason, count in found.items())
    if refused > limit * max(extracted, settings.quality.min_records):
        return (
            f"{refused:,} of {extracted:,} records were rejected, more than the {limit:.1%} allowed ({said})"
        )
    if refused and not loadable and limit < 1:
        return f"not one of {extracted:,} records passed ({said})"
    return ""


def _count(database: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = database.execute(sql).fetchone()
    return int(row[0]) if row else 0
