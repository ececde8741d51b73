"""Makes records of lines that only together say something: the lines of a basket, the events of a call.

The lines are read and counted like any others, into scratch files instead of the landing zone. DuckDB then groups them,
on one thread and in the order of the files, so that the same lines always give the same records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import duckdb

from cxflow.connect.files.items import Items
from cxflow.connect.files.stream import FileStream
from cxflow.duck import identifier, literal, literals, relative, seal_sql, workbench
from cxflow.errors import ConfigError, CountError, SourceError
from cxflow.model.names import nearest, numbered
from cxflow.model.raw_schema import RawSchema, as_structure, clashes
from cxflow.model.reading import Count, Page, Query
from cxflow.model.stream import PLACE


def grouped(stream: FileStream, lines: Items, folder: Path, project: Path) -> Items:
    """One record per group of lines; its origin and time of delivery are those of its last line. A line without a value
    in a column of `group_by` is refused. Files in the folder `project` are named relative to it.

    Raises CountError if more or fewer lines were read than an independent count says, ConfigError for an aggregate that
    does not fit the columns, SourceError for keys of JSON that it cannot tell apart.
    """
    kept = _Lines(folder / "lines")
    yield from kept.keep(lines)
    with workbench() as database:
        kept.verify(database)
    made = _make(stream, kept, project) if kept.parts else {}
    with workbench() as database:
        for rejects in (kept.rejects, made.get("without_group", [])):
            if rejects:
                yield Query(database, f"SELECT * FROM {_parquet(rejects)}", of_rejects=True)
        if records := made.get("grouped"):
            yield Query(database, f"SELECT * FROM {_parquet(records)}")
        for origin, count in kept.counts(database, made).items():
            yield Count(count, origin)


class _Lines:
    """The lines of a reading, in scratch files."""

    def __init__(self, folder: Path) -> None:
        self.parts: list[str] = []
        self.rejects: list[str] = []
        self.folder = folder
        self._expected: dict[str, int] = {}
        self._refused: dict[str, int] = {}

    def keep(self, lines: Items) -> Items:
        """Store the lines; yield the pages of what could not be read as one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            item = next(lines)
            while True:
                if isinstance(item, Query):
                    try:
                        item.landed = self._store(item)
                    except duckdb.Error as problem:
                        item = lines.throw(problem)
                        continue
                elif isinstance(item, Page):
                    _add(self._refused, {item.origin: len(item.rejects)})
                    yield item
                elif isinstance(item, Count):
                    _add(self._expected, {item.origin: item.records})
                item = next(lines)
        except StopIteration:
            return

    def _store(self, item: Query) -> int:
        files = self.rejects if item.of_rejects else self.parts
        path = self.folder / f"{'reject' if item.of_rejects else 'part'}-{len(files):06d}.parquet"
        try:
            row = item.database.execute(
                f"COPY ({item.sql}) TO {literal(str(path))} (FORMAT parquet)"
            ).fetchone()
        except duckdb.Error:
            path.unlink(missing_ok=True)
            raise
        files.append(str(path))
        return int(row[0]) if row else 0

    def verify(self, database: duckdb.DuckDBPyConnection) -> None:
        """Compare the lines with the independent count. Raises CountError."""
        found = dict(self._refused)
        for files in filter(None, (self.parts, self.rejects)):
            _add(found, _by_origin(database, _parquet(files)))
        for origin, lines in self._expected.items():
            if found.get(origin, 0) != lines:
                raise CountError(
                    f"{origin} holds {lines:,} lines by an independent count, and {found.get(origin, 0):,} were read: "
                    "nothing of it was landed",
                    value=origin,
                    fix="run again if it was being written meanwhile; otherwise please report it",
                )

    def counts(self, database: duckdb.DuckDBPyConnection, made: Mapping[str, list[str]]) -> dict[str, int]:
        """Origin to the number of records and rejects that come of it."""
        found = dict.fromkeys(self._expected, 0)
        _add(found, self._refused)
        for files in filter(None, (self.rejects, *made.values())):
            _add(found, _by_origin(database, _parquet(files)))
        return found


def _make(stream: FileStream, kept: _Lines, project: Path) -> dict[str, list[str]]:
    """Group the lines, and write the records (`grouped`) and the lines that belong to none (`without_group`) to files
    beside them. DuckDB reaches nothing else, whatever an aggregate says."""
    with workbench() as database:
        database.execute(f"SET threads = 1; {seal_sql(folders=[str(kept.folder)])}")
        queries = _queries(stream, kept.parts, project, database)
        files = {}
        for name, sql in queries.items():
            path = kept.folder / f"{name}.parquet"
            row = database.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet)").fetchone()
            files[name] = [str(path)] if row and row[0] else []
        return files


def _queries(
    stream: FileStream, parts: list[str], project: Path, database: duckdb.DuckDBPyConnection
) -> dict[str, str]:
    """What `_make` writes, as SQL."""
    names = _view(stream, database, parts, project)
    for name in stream.group_by:
        if name.lower() not in (each.lower() for each in names):
            raise ConfigError(
                f"group_by names {name!r}, which the files do not have{nearest(name, names)}", value=name
            )
    keys = [identifier(name) for name in stream.group_by]
    if stream.group_within == "file":
        keys.append("_origin")
    present = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    reason = literal(f"no value in {' or '.join(stream.group_by)}, by which lines are grouped")
    line = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in names)
    outputs = [identifier(name) for name in stream.group_by]
    for name, sql in stream.aggregates.items():
        _bind(database, name, sql, names)
        outputs.append(f"({sql}) AS {identifier(name)}")
    last = "{'at': _received_at, 'origin': _origin}"
    return {
        "without_group": f"SELECT _origin, _received_at, {reason} AS reason, "
        f"to_json(struct_pack({line}))::VARCHAR AS payload, NULL::BLOB AS raw FROM source WHERE NOT ({present})",
        "grouped": f"SELECT {', '.join(outputs)}, max_by(_origin, {last}) AS _origin, "
        "max(_received_at) AS _received_at "
        f"FROM source WHERE {present} GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}",
    }


def _view(
    stream: FileStream, database: duckdb.DuckDBPyConnection, parts: list[str], project: Path
) -> list[str]:
    """Create the view `source` of all lines, with the PLACE of each. Returns the columns; one with such a name has a
    numeric suffix."""
    read = _parquet(parts)
    lines = read.replace("union_by_name = true", "union_by_name = true, file_row_number = true")
    columns = [str(row[0]) for row in database.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]
    if "_payload" in columns:
        row = database.execute(f"SELECT json_group_structure(_payload::JSON) FROM {read}").fetchone()
        found = json.loads(row[0]) if row and row[0] else {}
        _refuse_clashes(stream, found)
        structure = as_structure(found)
        columns = list(json.loads(structure))
        fields = [f"struct_extract(line, {literal(name)})" for name in columns]
        lines = f"(SELECT *, file_index, from_json(_payload, {literal(structure)}) AS line FROM {lines})"
    else:
        columns = [name for name in columns if name not in ("_origin", "_received_at")]
        fields = [identifier(name) for name in columns]
    renamed = numbered(columns, (*PLACE, "_origin", "_received_at"))
    names = [renamed.get(name, name) for name in columns]
    outputs = [f"{field} AS {identifier(name)}" for field, name in zip(fields, names, strict=True)]
    number = "row_number() OVER (PARTITION BY _origin ORDER BY file_index, file_row_number)"
    outputs += [f"{relative('_origin', project.as_posix())} AS _file", f"{number} AS _file_row"]
    database.execute(
        f"CREATE TEMP VIEW source AS SELECT {', '.join(outputs)}, _origin, _received_at FROM {lines}"
    )
    return names


def _refuse_clashes(stream: FileStream, structure: RawSchema) -> None:
    """Raise SourceError for keys that differ in case alone, if the declaration names them: DuckDB would read one."""
    text = " ".join((*stream.group_by, *stream.aggregates.values())).lower()
    for clash in clashes(structure):
        first, second = clash.names
        if first.lower() in text:
            raise SourceError(
                f"the lines have the keys {first!r} and {second!r}, which differ in case alone",
                value=second,
                fix="SQL cannot tell them apart: have the source write one of them, or take them out of aggregates",
            )


def _bind(database: duckdb.DuckDBPyConnection, name: str, sql: str, names: list[str]) -> None:
    """Check that an aggregate fits the columns. Raises ConfigError."""
    try:
        database.execute(f"EXPLAIN SELECT ({sql}) FROM source GROUP BY _origin")
    except duckdb.Error as problem:
        why = str(problem).splitlines()[0]
        raise ConfigError(
            f"aggregates.{name}: {sql!r} does not fit the files: {why}",
            value=f"aggregates.{name}",
            fix=f"columns: {', '.join((*names, *PLACE))}",
        ) from None


def _parquet(files: list[str]) -> str:
    return f"read_parquet({literals(files)}, union_by_name = true, hive_partitioning = false)"


def _by_origin(database: duckdb.DuckDBPyConnection, relation: str) -> dict[str, int]:
    rows = database.execute(f"SELECT _origin, count(*) FROM {relation} GROUP BY 1").fetchall()
    return {str(origin): int(count) for origin, count in rows}


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for origin, count in more.items():
        counts[origin] = counts.get(origin, 0) + count
